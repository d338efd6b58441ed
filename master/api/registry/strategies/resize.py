"""pods/resize: other requests and limits for a running pod's containers. Nothing else of the pod changes here."""

import copy
from collections.abc import Sequence

from master.api.kinds.kind import Kind
from master.api.kinds.pod_spec.defaults import default_pod, default_pod_spec
from master.api.kinds.pod_spec.resize import resized, validate_resize
from master.api.kinds.pod_spec.validation import validate_pod_spec
from master.client.errors import Cause
from master.client.protocol import Json


class Resize:
    def definition(self, kind: Kind) -> str:
        return kind.definition

    def view(self, kind: Kind, obj: Json) -> Json:
        return obj

    def merge(self, kind: Kind, old: Json, body: Json) -> Json:
        wanted = copy.deepcopy(body.get("spec") or {})
        default_pod(wanted)
        default_pod_spec(wanted)
        obj = copy.deepcopy(old)
        obj["spec"] = resized(old.get("spec") or {}, wanted)
        kind.prepare_for_update(obj, old)
        return obj

    def validate(self, kind: Kind, obj: Json, old: Json) -> Sequence[Cause]:
        return [*validate_pod_spec(obj.get("spec") or {}, "spec"), *validate_resize(obj, old)]
