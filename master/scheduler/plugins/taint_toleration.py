"""TaintToleration: NoSchedule and NoExecute taints reject, PreferNoSchedule taints cost score."""

from collections.abc import Sequence

from master.scheduler.cluster import Cluster, NodeInfo
from master.scheduler.framework import ClusterEvent
from master.scheduler.pod import PodShape
from master.scheduler.tolerations import tolerates


class TaintToleration:
    name = "TaintToleration"
    order = 20
    preemptible = False
    events = frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.NODE_TAINTS})
    weight = 3
    normalized = True

    def __init__(self, cluster: Cluster) -> None: ...

    def filter(self, pod: PodShape, node: NodeInfo) -> Sequence[str]:
        for taint in node.taints:
            if taint.effect in ("NoSchedule", "NoExecute") and not tolerates(pod.tolerations, taint):
                return (f"node(s) had untolerated taint {{{taint.key}: {taint.value or ''}}}",)
        return ()

    def score(self, pod: PodShape, node: NodeInfo) -> float:
        return -float(
            sum(taint.effect == "PreferNoSchedule" and not tolerates(pod.tolerations, taint) for taint in node.taints)
        )
