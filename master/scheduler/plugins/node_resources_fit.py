"""NodeResourcesFit: requests must fit into what a node has left; nodes with more left score higher (LeastAllocated)."""

from collections.abc import Sequence

from master.scheduler.cluster import Cluster, NodeInfo
from master.scheduler.framework import ClusterEvent
from master.scheduler.pod import PodShape


class NodeResourcesFit:
    name = "NodeResourcesFit"
    order = 50
    preemptible = True
    events = frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.NODE_ALLOCATABLE, ClusterEvent.POD_DELETED})
    weight = 1
    normalized = False

    def __init__(self, cluster: Cluster) -> None: ...

    def filter(self, pod: PodShape, node: NodeInfo) -> Sequence[str]:
        short = []
        if len(node.pods) + 1 > node.allocatable.get("pods", 0):
            short.append("Too many pods")
        for resource, wanted in pod.requests.items():
            if wanted > node.allocatable.get(resource, 0) - node.requested.get(resource, 0):
                short.append(f"Insufficient {resource}")
        return short

    def score(self, pod: PodShape, node: NodeInfo) -> float:
        cpu = _left(node.allocatable.get("cpu", 0), node.scored_cpu + pod.scored_cpu)
        return (cpu + _left(node.allocatable.get("memory", 0), node.scored_memory + pod.scored_memory)) / 2


def _left(allocatable: int, used: int) -> float:
    """In percent."""
    return (allocatable - used) * 100 / allocatable if allocatable >= used and allocatable else 0.0
