"""NodeAffinity: spec.nodeSelector and node affinity, required and preferred."""

from collections.abc import Sequence

from master.scheduler.cluster import Cluster, NodeInfo
from master.scheduler.framework import ClusterEvent
from master.scheduler.pod import PodShape


class NodeAffinity:
    name = "NodeAffinity"
    order = 30
    preemptible = False
    events = frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.NODE_LABELS})
    weight = 2
    normalized = True

    def __init__(self, cluster: Cluster) -> None: ...

    def filter(self, pod: PodShape, node: NodeInfo) -> Sequence[str]:
        if pod.node_selector.matches(node.labels) and (
            pod.required is None or any(term.matches(node.name, node.labels) for term in pod.required)
        ):
            return ()
        return ("node(s) didn't match Pod's node affinity/selector",)

    def score(self, pod: PodShape, node: NodeInfo) -> float:
        return float(sum(weight for weight, term in pod.preferred if term.matches(node.name, node.labels)))
