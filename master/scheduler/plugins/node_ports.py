"""NodePorts: a host port is taken by one pod per address and protocol; 0.0.0.0 takes it on every address."""

from collections.abc import Sequence

from master.scheduler.cluster import Cluster, NodeInfo
from master.scheduler.framework import ClusterEvent
from master.scheduler.pod import HostPort, PodShape


class NodePorts:
    name = "NodePorts"
    order = 40
    preemptible = True
    events = frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.POD_DELETED})

    def __init__(self, cluster: Cluster) -> None: ...

    def filter(self, pod: PodShape, node: NodeInfo) -> Sequence[str]:
        if any(_collide(wanted, taken) for wanted in pod.host_ports for taken in node.host_ports):
            return ("node(s) didn't have free ports for the requested pod ports",)
        return ()


def _collide(left: HostPort, right: HostPort) -> bool:
    return left[1:] == right[1:] and (left[0] == right[0] or "0.0.0.0" in (left[0], right[0]))
