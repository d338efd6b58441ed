"""What a node's status report becomes: merged with what the API has, checked, and nothing when it says nothing new. Pure.

A node owns its conditions and no others; transition times hold as long as a condition's status does, also over a restart of
the agent, which has forgotten them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec
from lightkube.models.core_v1 import NodeCondition, NodeStatus, PodCondition, PodStatus

from proto.envelope import MalformedMessage
from proto.messages import Json

#: The pod conditions that a kubelet writes; one of these that it no longer reports is gone.
KUBELET_POD_CONDITIONS = frozenset(
    (
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
        "PodResizePending",
        "PodResizeInProgress",
    )
)
_ENDED = ("Succeeded", "Failed")
#: A condition that did not change is written again after this, for its heartbeat time (kubelet's nodeStatusReportFrequency).
HEARTBEAT_EVERY = timedelta(minutes=5)

C = TypeVar("C", NodeCondition, PodCondition)
S = TypeVar("S", NodeStatus, PodStatus)


def pod_status(reported: Json, present: PodStatus | None) -> PodStatus | None:
    """The pod's new status; None when nothing changes. Raises MalformedMessage."""
    status = _converted(reported, PodStatus)
    present = present or PodStatus()
    if present.phase in _ENDED and status.phase != present.phase:
        return None  # an ended pod does not come back (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/)
    theirs = [one for one in present.conditions or () if one.type not in KUBELET_POD_CONDITIONS]
    merged = msgspec.structs.replace(
        status,
        conditions=_merge(status.conditions or (), present.conditions or (), keep=theirs) or None,
        qosClass=status.qosClass or present.qosClass,
        startTime=present.startTime or status.startTime,
        nominatedNodeName=present.nominatedNodeName,
        resourceClaimStatuses=present.resourceClaimStatuses,
    )
    return None if msgspec.to_builtins(merged) == msgspec.to_builtins(present) else merged


def node_status(reported: Json, present: NodeStatus | None, now: datetime) -> NodeStatus | None:
    """The node's new status; None when nothing changes but the time of conditions, and that not for long."""
    status = _converted(reported, NodeStatus)
    present = present or NodeStatus()
    own = {one.type for one in status.conditions or ()}
    stamped = [
        msgspec.structs.replace(one, lastHeartbeatTime=now, lastTransitionTime=one.lastTransitionTime or now)
        for one in status.conditions or ()
    ]
    theirs = [one for one in present.conditions or () if one.type not in own]
    others = _resources_of_others(status.capacity or {}, present.capacity or {})
    merged = msgspec.structs.replace(
        status,
        conditions=_merge(stamped, present.conditions or (), keep=theirs) or None,
        capacity={**status.capacity, **others} if status.capacity else present.capacity,
        allocatable={**status.allocatable, **others} if status.allocatable else present.allocatable,
        addresses=status.addresses or present.addresses,
        nodeInfo=status.nodeInfo or present.nodeInfo,
        daemonEndpoints=status.daemonEndpoints or present.daemonEndpoints,
        images=status.images if status.images is not None else present.images,
        volumesAttached=present.volumesAttached,
        phase=present.phase,
    )
    if _without_heartbeats(merged) == _without_heartbeats(present) and not _stale(present, own, now):
        return None
    return merged


def _resources_of_others(reported: Mapping[str, str], present: Mapping[str, str]) -> dict[str, str]:
    """Extended resources that somebody else wrote into the node's capacity: they stay, and all of them may be used.

    https://kubernetes.io/docs/tasks/administer-cluster/extended-resource-node/
    """
    return {
        name: amount
        for name, amount in present.items()
        if name not in reported and "/" in name and not name.partition("/")[0].endswith("kubernetes.io")
    }


def _converted(reported: Json, kind: type[S]) -> S:
    try:
        return msgspec.convert(reported, kind)
    except msgspec.ValidationError as error:
        raise MalformedMessage(f"{kind.__name__}: {error}") from error


def _merge(reported: Sequence[C], present: Sequence[C], *, keep: Sequence[C]) -> list[C]:
    """The reported conditions, with the present ones' transition time where the status is the same, and those to keep."""
    before = {one.type: one for one in present}
    merged: list[C] = []
    for one in _last_of_each_type(reported):
        known = before.get(one.type)
        if known is not None and known.status == one.status and known.lastTransitionTime is not None:
            one = msgspec.structs.replace(one, lastTransitionTime=known.lastTransitionTime)
        merged.append(one)
    named = {one.type for one in merged}
    return merged + [one for one in keep if one.type not in named]


def _last_of_each_type(conditions: Iterable[C]) -> list[C]:
    return list({one.type: one for one in conditions}.values())


def _without_heartbeats(status: NodeStatus) -> Json:
    value: Json = msgspec.to_builtins(status)
    for condition in value.get("conditions", []):
        condition.pop("lastHeartbeatTime", None)
    return value


def _stale(present: NodeStatus, own: set[str], now: datetime) -> bool:
    times = [_aware(one.lastHeartbeatTime) for one in present.conditions or () if one.type in own and one.lastHeartbeatTime]
    return not times or now - min(times) > HEARTBEAT_EVERY


def _aware(time: datetime) -> datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
