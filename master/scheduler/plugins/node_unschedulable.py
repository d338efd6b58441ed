"""NodeUnschedulable: cordoned nodes take no pods but those that tolerate it."""

from collections.abc import Sequence

from lightkube.models.core_v1 import Taint

from master.scheduler.cluster import Cluster, NodeInfo
from master.scheduler.framework import ClusterEvent
from master.scheduler.pod import PodShape
from master.scheduler.tolerations import tolerates

_CORDON = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")


class NodeUnschedulable:
    name = "NodeUnschedulable"
    order = 0
    preemptible = False
    events = frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.NODE_TAINTS})

    def __init__(self, cluster: Cluster) -> None: ...

    def filter(self, pod: PodShape, node: NodeInfo) -> Sequence[str]:
        if node.unschedulable and not tolerates(pod.tolerations, _CORDON):
            return ("node(s) were unschedulable",)
        return ()
