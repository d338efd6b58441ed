"""PriorityClass: a name for a pod's priority. Value and policy never change, names with `system-` are the system's."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import forbidden, not_supported, required
from master.api.kinds.rules.metadata import immutable, validate_metadata
from master.api.printers import priority_class as printer
from master.client.errors import Cause

#: The highest value that a user's class may have.
HIGHEST_USER_PRIORITY = 1_000_000_000
PREEMPTION_POLICIES = ("Never", "PreemptLowerPriority")
_SYSTEM_PREFIX = "system-"

#: The classes that every cluster has (pkg/apis/scheduling/v1/helpers.go); made by `master.api.bootstrap`.
SYSTEM_CLASSES = (
    {
        "metadata": {"name": "system-node-critical"},
        "value": 2_000_001_000,
        "description": "Used for system critical pods that must not be moved from their current node.",
    },
    {
        "metadata": {"name": "system-cluster-critical"},
        "value": 2_000_000_000,
        "description": "Used for system critical pods that must run in the cluster, but can be moved to another node if "
        "necessary.",
    },
)
_SYSTEM_VALUES = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}


def _default(obj: Json) -> None:
    obj.setdefault("value", 0)
    if obj.get("preemptionPolicy") is None:
        obj["preemptionPolicy"] = "PreemptLowerPriority"


def _prepare_for_create(obj: Json) -> None:
    obj["metadata"]["generation"] = 1


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain, namespaced=False)
    value, policy = obj.get("value", 0), obj.get("preemptionPolicy")
    if old is not None:
        if value != old.get("value", 0):
            causes.append(forbidden("value", "may not be changed in an update."))
        return causes + immutable(policy, old.get("preemptionPolicy"), "preemptionPolicy")
    name = obj["metadata"].get("name") or ""
    if name.startswith(_SYSTEM_PREFIX):
        wrong = _not_a_system_class(name, value, bool(obj.get("globalDefault")))
        if wrong:
            why = f"priority class names with '{_SYSTEM_PREFIX}' prefix are reserved for system use only. error: {wrong}"
            causes.append(forbidden("metadata.name", why))
    elif value > HIGHEST_USER_PRIORITY:
        causes.append(forbidden("value", f"maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"))
    if policy == "":
        causes.append(required("preemptionPolicy"))
    elif policy is not None and policy not in PREEMPTION_POLICIES:
        causes.append(not_supported("preemptionPolicy", policy, ("PreemptLowerPriority", "Never"), in_order=True))
    return causes


def _not_a_system_class(name: str, value: int, global_default: bool) -> str:
    expected = _SYSTEM_VALUES.get(name)
    if expected is None:
        return f"{name} is not a known system priority class"
    if value != expected:
        return f"value of {name} PriorityClass must be {expected}"
    return f"globalDefault of {name} PriorityClass must be false" if global_default else ""


KIND = Kind(
    group="scheduling.k8s.io",
    version="v1",
    kind="PriorityClass",
    plural="priorityclasses",
    singular="priorityclass",
    definition="io.k8s.api.scheduling.v1.PriorityClass",
    short_names=("pc",),
    namespaced=False,
    default=_default,
    validate=_validate,
    prepare_for_create=_prepare_for_create,
    columns=printer.COLUMNS,
    row=printer.row,
)
