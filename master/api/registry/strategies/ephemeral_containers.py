"""pods/ephemeralcontainers: containers that join a running pod, for `kubectl debug`. Nothing else of the pod changes here."""

import copy
from collections.abc import Sequence

from master.api.kinds.kind import Kind
from master.api.kinds.pod_spec.ephemeral import validate_ephemeral_containers, validate_ephemeral_update
from master.client.errors import Cause
from master.client.protocol import Json


class EphemeralContainers:
    def definition(self, kind: Kind) -> str:
        return kind.definition

    def view(self, kind: Kind, obj: Json) -> Json:
        return obj

    def merge(self, kind: Kind, old: Json, body: Json) -> Json:
        obj = copy.deepcopy(old)
        wanted = (body.get("spec") or {}).get("ephemeralContainers")
        if wanted:
            obj["spec"]["ephemeralContainers"] = copy.deepcopy(wanted)
        else:
            obj["spec"].pop("ephemeralContainers", None)
        kind.default(obj)
        kind.prepare_for_update(obj, old)
        return obj

    def validate(self, kind: Kind, obj: Json, old: Json) -> Sequence[Cause]:
        return [*validate_ephemeral_containers(obj["spec"], "spec"), *validate_ephemeral_update(obj, old)]
