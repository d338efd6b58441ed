"""namespaces/finalize: the namespace controller takes its finalizer away here."""

import copy
from collections.abc import Sequence

from master.api.kinds.kind import Kind
from master.api.kinds.rules.metadata import validate_finalizer_name
from master.client.errors import Cause
from master.client.protocol import Json


class Finalize:
    def definition(self, kind: Kind) -> str:
        return kind.definition

    def view(self, kind: Kind, obj: Json) -> Json:
        return obj

    def merge(self, kind: Kind, old: Json, body: Json) -> Json:
        obj = copy.deepcopy(old)
        spec = obj.setdefault("spec", {})
        finalizers = (body.get("spec") or {}).get("finalizers")
        if finalizers:
            spec["finalizers"] = list(finalizers)
        else:
            spec.pop("finalizers", None)
        return obj

    def validate(self, kind: Kind, obj: Json, old: Json) -> Sequence[Cause]:
        finalizers = (obj.get("spec") or {}).get("finalizers") or ()
        return [
            cause
            for index, finalizer in enumerate(finalizers)
            for cause in validate_finalizer_name(finalizer, f"spec.finalizers[{index}]")
        ]
