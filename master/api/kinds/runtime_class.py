"""RuntimeClass: how nodes run a pod of the class, what that costs, and which nodes can. Its handler never changes."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.pod_spec.resources import validate_resources
from master.api.kinds.pod_spec.scheduling import validate_scheduling
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid
from master.api.kinds.rules.metadata import immutable, validate_metadata
from master.api.printers import runtime_class as printer
from master.client.errors import Cause


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain, namespaced=False)
    handler = obj.get("handler") or ""
    if old is not None:
        return causes + immutable(handler, old.get("handler"), "handler")
    causes.extend(invalid("handler", handler, why) for why in names.dns1123_label(handler))
    if obj.get("overhead") is not None:
        causes.extend(validate_resources({"limits": obj["overhead"].get("podFixed")}, "overhead"))
    if obj.get("scheduling") is not None:
        causes.extend(validate_scheduling(obj["scheduling"], "scheduling"))
    return causes


KIND = Kind(
    group="node.k8s.io",
    version="v1",
    kind="RuntimeClass",
    plural="runtimeclasses",
    singular="runtimeclass",
    definition="io.k8s.api.node.v1.RuntimeClass",
    namespaced=False,
    validate=_validate,
    unconditional_update=False,
    columns=printer.COLUMNS,
    row=printer.row,
)
