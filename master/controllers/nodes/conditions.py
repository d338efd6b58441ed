"""What a node's conditions say, and how they turn Unknown when the node falls silent.

Pure; called by the node lifecycle controller.
Source: https://kubernetes.io/docs/reference/node/node-status/#condition
"""

from datetime import datetime

import msgspec
from lightkube.models.core_v1 import NodeCondition
from lightkube.resources.core_v1 import Node

from master.controllers.objects.metadata import created

_WATCHED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


def condition_of(node: Node, type_: str) -> NodeCondition | None:
    for condition in (node.status.conditions if node.status else None) or ():
        if condition.type == type_:
            return condition
    return None


def readiness(node: Node) -> str:
    """The status of the condition Ready: True, False or Unknown (also without one)."""
    condition = condition_of(node, "Ready")
    return condition.status if condition is not None else "Unknown"


def silenced(node: Node, now: datetime) -> list[NodeCondition] | None:
    """All of the node's conditions after it fell silent; None when they say so already."""
    changed: dict[str, NodeCondition] = {}
    for type_ in _WATCHED:
        current = condition_of(node, type_)
        if current is None:
            changed[type_] = NodeCondition(
                type=type_,
                status="Unknown",
                reason="NodeStatusNeverUpdated",
                message="Kubelet never posted node status.",
                lastHeartbeatTime=created(node),
                lastTransitionTime=now,
            )
        elif current.status != "Unknown":
            changed[type_] = msgspec.structs.replace(
                current,
                status="Unknown",
                reason="NodeStatusUnknown",
                message="Kubelet stopped posting node status.",
                lastTransitionTime=now,
            )
    if not changed:
        return None
    existing = (node.status.conditions if node.status else None) or []
    kept = [changed.pop(condition.type, condition) for condition in existing]
    return [*kept, *changed.values()]
