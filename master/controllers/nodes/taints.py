"""The taints that a node's state calls for, and how long a pod tolerates those that evict.

Pure; called by the node lifecycle and the taint eviction controllers.
Source: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from lightkube.models.core_v1 import Taint, Toleration
from lightkube.resources.core_v1 import Node

from master.controllers.nodes.conditions import condition_of, readiness

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"

_BY_CONDITION = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
}
_MANAGED = frozenset(_BY_CONDITION.values()) | {UNSCHEDULABLE}


def taints_of(node: Node) -> list[Taint]:
    return list((node.spec.taints if node.spec else None) or ())


def with_scheduling_taints(node: Node, taints: Sequence[Taint], now: datetime) -> list[Taint]:
    """The taints with those NoSchedule ones that the node's conditions and cordon call for, and no others of ours."""
    wanted = [key for (type_, status), key in _BY_CONDITION.items() if (c := condition_of(node, type_)) and c.status == status]
    if condition_of(node, "Ready") is None:
        wanted.append(NOT_READY)
    if node.spec and node.spec.unschedulable:
        wanted.append(UNSCHEDULABLE)
    kept = [t for t in taints if not (t.effect == "NoSchedule" and t.key in _MANAGED and t.key not in wanted)]
    present = {taint.key for taint in kept if taint.effect == "NoSchedule"}
    return [*kept, *(Taint(key=key, effect="NoSchedule", timeAdded=now) for key in wanted if key not in present)]


def evicting_key(node: Node) -> str | None:
    """The taint by which the node's pods are to be evicted; None for a ready node, and for one that has not reported yet."""
    if condition_of(node, "Ready") is None:
        return None
    return {"True": None, "False": NOT_READY}.get(readiness(node), UNREACHABLE)


def with_eviction_taint(taints: Sequence[Taint], key: str | None, now: datetime) -> list[Taint]:
    """The taints with this NoExecute one of the two that say a node is not well, or with neither (None).

    Turning from one into the other keeps the time at which the trouble began, so that tolerations do not start again.
    """
    ours = [taint for taint in taints if taint.effect == "NoExecute" and taint.key in {NOT_READY, UNREACHABLE}]
    others = [taint for taint in taints if taint not in ours]
    if key is None:
        return others
    since = min((taint.timeAdded for taint in ours if taint.timeAdded), default=now)
    return [*others, Taint(key=key, effect="NoExecute", timeAdded=since)]


def has_eviction_taint(taints: Sequence[Taint], key: str | None = None) -> bool:
    """Whether one of our two NoExecute taints is there, or that one."""
    keys = {NOT_READY, UNREACHABLE} if key is None else {key}
    return any(taint.effect == "NoExecute" and taint.key in keys for taint in taints)


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether a pod's toleration meets a taint: no effect means every effect, no key with Exists every key."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and (toleration.value or "") == (taint.value or "")


def eviction_time(
    taints: Sequence[Taint], tolerations: Sequence[Toleration], *, seen: datetime, not_before: datetime
) -> datetime | None:
    """When a pod must leave a node with these taints; None when it may stay.

    `seen` stands in for the timeAdded of a taint without one; a pod that came after the taint is counted from `not_before`.
    A taint that no toleration meets means at once. Of several tolerations for one taint the shortest counts.
    """
    deadlines: list[datetime] = []
    for taint in taints:
        if taint.effect != "NoExecute":
            continue
        met = [toleration for toleration in tolerations if tolerates(toleration, taint)]
        if not met:
            return not_before
        limits = [max(0, each.tolerationSeconds) for each in met if each.tolerationSeconds is not None]
        if limits:
            start = max(taint.timeAdded or seen, not_before)
            deadlines.append(start + timedelta(seconds=min(limits)))
    return min(deadlines, default=None)


def as_json(taints: Sequence[Taint]) -> list[dict[str, object]]:
    """The whole list, for a merge patch of spec.taints."""
    encoded: list[dict[str, object]] = msgspec.to_builtins(list(taints))
    return encoded
