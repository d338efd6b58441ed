"""OwnerSpread: spreads the pods of one ReplicaSet (or other controller) over the nodes.

Kubernetes gets there with cluster-wide default constraints of PodTopologySpread, whose selectors come from Services and
controllers; counting a controller's pods per node is the same on the host name, needs no selector, and stays within one node.
"""

from master.scheduler.cluster import Cluster, NodeInfo
from master.scheduler.pod import PodShape


class OwnerSpread:
    name = "OwnerSpread"
    weight = 2
    normalized = False

    def __init__(self, cluster: Cluster) -> None: ...

    def score(self, pod: PodShape, node: NodeInfo) -> float:
        # Not normalized: one pod more must weigh the same however many there are, or large ReplicaSets become uneven.
        return -100.0 * node.owners.get(pod.owner, 0) if pod.owner else 0.0
