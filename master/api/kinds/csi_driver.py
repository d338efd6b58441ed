"""CSIDriver: what a CSI driver needs from the cluster."""

from typing import Any

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules.csi import validate_driver_name
from master.api.kinds.rules.field_errors import duplicate, invalid, not_supported, required
from master.api.kinds.rules.metadata import validate_metadata
from master.api.printers import csi_driver as printer
from master.client.errors import Cause

MODES = ("Persistent", "Ephemeral")
FS_GROUP_POLICIES = ("ReadWriteOnceWithFSType", "File", "None")
_SHORTEST_SECONDS, _LONGEST_SECONDS = 600, 1 << 32
_BOOLEANS = {
    "attachRequired": True, "podInfoOnMount": False, "storageCapacity": False, "requiresRepublish": False,
    "seLinuxMount": False,
}  # fmt: skip
#: A field of a feature that is off in the release that is followed: dropped, as Kubernetes does.
_OFF = "nodeAllocatableUpdatePeriodSeconds"


def _default(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    for field, value in _BOOLEANS.items():
        if spec.get(field) is None:
            spec[field] = value
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]
    if spec.get("fsGroupPolicy") is None:
        spec["fsGroupPolicy"] = "ReadWriteOnceWithFSType"


def _prepare_for_create(obj: Json) -> None:
    (obj.get("spec") or {}).pop(_OFF, None)
    obj["metadata"]["generation"] = 1


def _prepare_for_update(obj: Json, old: Json) -> None:
    (obj.get("spec") or {}).pop(_OFF, None)
    _default(obj)
    changed = obj["spec"] != (old.get("spec") or {})
    obj["metadata"]["generation"] = old["metadata"].get("generation", 1) + changed


def _any_name(name: str) -> list[str]:
    return []


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=_any_name, namespaced=False)
    causes.extend(validate_driver_name(obj["metadata"].get("name") or "", "metadata.name"))
    spec = obj.get("spec") or {}
    if spec.get("attachRequired") is None:
        # Kubernetes' own spelling of this path.
        causes.append(required("spec.attachedRequired"))
    for field in ("podInfoOnMount", "storageCapacity"):
        if spec.get(field) is None:
            causes.append(required(f"spec.{field}"))
    policy = spec.get("fsGroupPolicy")
    if policy is not None and policy not in FS_GROUP_POLICIES:
        causes.append(not_supported("spec.fsGroupPolicy", policy, FS_GROUP_POLICIES, in_order=True))
    for mode in spec.get("volumeLifecycleModes") or ():
        if mode not in MODES:
            causes.append(not_supported("spec.volumeLifecycleModes", mode, MODES, in_order=True))
    causes.extend(_validate_tokens(spec.get("tokenRequests") or ()))
    if old is not None:
        before = old.get("spec") or {}
        for field, path in (("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")):
            if spec.get(field) != before.get(field):
                causes.append(invalid(f"spec.{path}", spec.get(field), "field is immutable"))
    return causes


def _validate_tokens(tokens: Any) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, token in enumerate(tokens):
        path = f"spec.tokenRequests[{index}]"
        audience, seconds = token.get("audience") or "", token.get("expirationSeconds")
        if audience in seen:
            causes.append(duplicate(f"{path}.audience", audience))
        seen.add(audience)
        if seconds is not None and seconds < _SHORTEST_SECONDS:
            why = "may not specify a duration less than 10 minutes"
            causes.append(invalid(f"{path}.expirationSeconds", seconds, why))
        if seconds is not None and seconds > _LONGEST_SECONDS:
            why = "may not specify a duration larger than 2^32 seconds"
            causes.append(invalid(f"{path}.expirationSeconds", seconds, why))
    return causes


KIND = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="CSIDriver",
    plural="csidrivers",
    singular="csidriver",
    definition="io.k8s.api.storage.v1.CSIDriver",
    namespaced=False,
    default=_default,
    validate=_validate,
    prepare_for_create=_prepare_for_create,
    prepare_for_update=_prepare_for_update,
    unconditional_update=False,
    columns=printer.COLUMNS,
    row=printer.row,
)
