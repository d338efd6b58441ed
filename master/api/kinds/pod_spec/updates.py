"""What may change in the spec of a pod that exists (ValidatePodUpdate)."""

from copy import deepcopy
from typing import Any

from master.api.kinds.pod_spec.defaults import containers_of
from master.api.kinds.pod_spec.gates import validate_gated_update, validate_gates_update, with_old_placement
from master.api.kinds.rules.field_errors import forbidden, invalid
from master.api.kinds.rules.semantic import semantic
from master.client.errors import Cause

Json = dict[str, Any]

_MUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def validate_pod_update(obj: Json, old: Json) -> list[Cause]:
    """Errors of an update of a pod through its main resource; both are defaulted."""
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    if spec == before or semantic(spec) == semantic(before):
        return []
    causes: list[Cause] = []
    for field in ("containers", "initContainers"):
        if len(spec.get(field) or ()) != len(before.get(field) or ()):
            # Nothing after this could be compared with sense.
            return [forbidden(f"spec.{field}", "pod updates may not add or remove containers")]
    causes.extend(_validate_deadline(spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")))
    causes.extend(_validate_tolerations(spec.get("tolerations") or [], before.get("tolerations") or []))
    causes.extend(validate_gates_update(spec.get("schedulingGates") or [], before.get("schedulingGates") or []))
    if before.get("schedulingGates"):
        causes.extend(validate_gated_update(spec, before))
    if semantic(_without_mutable(spec, before)) != semantic(before):
        causes.append(forbidden("spec", _MUTABLE))
    return causes


def _validate_deadline(new: int | None, old: int | None) -> list[Cause]:
    path = "spec.activeDeadlineSeconds"
    if new is not None:
        if not 0 < new <= 2**31 - 1:
            return [invalid(path, new, "must be between 1 and 2147483647, inclusive")]
        if old is not None and old < new:
            return [invalid(path, new, "must be less than or equal to previous value")]
    elif old is not None:
        return [invalid(path, new, "must not update from a positive integer to nil value")]
    return []


def _validate_tolerations(new: list[Json], old: list[Json]) -> list[Cause]:
    """Existing tolerations stay, but for the seconds of one that evicts; new ones may come."""

    def kept(toleration: Json) -> Json:
        return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}

    remaining = [kept(toleration) for toleration in new]
    if all(kept(toleration) in remaining for toleration in old):
        return []
    return [forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")]


def _without_mutable(spec: Json, before: Json) -> Json:
    """The new spec with what may change set back to what it was."""
    spec = deepcopy(spec)
    for container, old in zip(containers_of(spec), containers_of(before), strict=False):
        container["image"] = old.get("image", "")
    if before.get("schedulingGates"):
        with_old_placement(spec, before)
    for field in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        if field in before:
            spec[field] = before[field]
        else:
            spec.pop(field, None)
    if (before.get("terminationGracePeriodSeconds") or 0) < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        spec["terminationGracePeriodSeconds"] = before["terminationGracePeriodSeconds"]
    return spec


def same_meaning(one: Any, other: Any) -> bool:
    return bool(semantic(one) == semantic(other))
