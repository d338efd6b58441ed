"""NodeResourcesBalancedAllocation: prefers nodes where CPU and memory are used to the same part after the pod is there."""

from master.scheduler.cluster import Cluster, NodeInfo
from master.scheduler.pod import PodShape


class NodeResourcesBalancedAllocation:
    name = "NodeResourcesBalancedAllocation"
    weight = 1
    normalized = False

    def __init__(self, cluster: Cluster) -> None: ...

    def score(self, pod: PodShape, node: NodeInfo) -> float:
        cpu, memory = (self._used(pod, node, resource) for resource in ("cpu", "memory"))
        # The standard deviation of two fractions is half their difference.
        return (1 - abs(cpu - memory) / 2) * 100

    @staticmethod
    def _used(pod: PodShape, node: NodeInfo, resource: str) -> float:
        allocatable = node.allocatable.get(resource, 0)
        if not allocatable:
            return 0.0
        return min(1.0, (node.requested.get(resource, 0) + pod.requests.get(resource, 0)) / allocatable)
