"""InterPodAffinity: pods that want to be, or must not be, where certain other pods are.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
"""

from collections.abc import Callable, Mapping, Sequence

from master.scheduler.affinity import CompiledRules, Rules
from master.scheduler.cluster import Cluster, NodeInfo
from master.scheduler.domains import Domains, PodsLike
from master.scheduler.framework import ClusterEvent
from master.scheduler.pod import PodInfo

_AFFINITY = "node(s) didn't match pod affinity rules"
_ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
_EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"

#: What a required affinity of a pod that is there counts for, when an incoming pod fulfils it (Kubernetes' default).
_REQUIRED_WEIGHT = 1

Counts = Mapping[str, int]
"""Pods by the value of a node label."""


class InterPodAffinity:
    name = "InterPodAffinity"
    order = 70
    preemptible = True
    events = frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.NODE_LABELS, ClusterEvent.POD_ADDED, ClusterEvent.POD_DELETED})
    cross_weight = 2

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._domains = Domains(cluster)
        self._rules = CompiledRules(cluster)

    def prepare(self, pod: PodInfo) -> Callable[[NodeInfo], str | None] | None:
        if pod.shape.affinity is None and not self._cluster.with_affinity:
            return None
        rules = self._rules.of(pod.shape)
        near = [(term.key, self._domains.counts(term.selector, term.key)) for term in rules.required]
        away = [(term.key, self._domains.counts(term.selector, term.key)) for term in rules.excluded]
        forbidden = self._forbidden_by_others(pod)
        if not near and not away and not forbidden:
            return None
        first = self._is_first(pod, rules, [counts for _, counts in near])

        def test(node: NodeInfo) -> str | None:
            labels = node.labels
            for key, counts in near:
                if not counts.get(labels.get(key, "")) and not (first and key in labels):
                    return _AFFINITY
            for key, counts in away:
                if key in labels and counts.get(labels[key]):
                    return _ANTI_AFFINITY
            for key, counts in forbidden:
                if key in labels and counts.get(labels[key]):
                    return _EXISTING
            return None

        return test

    @staticmethod
    def _is_first(pod: PodInfo, rules: Rules, counts: Sequence[Counts]) -> bool:
        """The first of a group of pods that want to be together may go anywhere, or none could ever start."""
        return not any(any(found.values()) for found in counts) and all(
            term.selector.matches(pod.namespace, pod.labels) for term in rules.required
        )

    def _forbidden_by_others(self, pod: PodInfo) -> Sequence[tuple[str, Counts]]:
        """Where pods are that keep this one out."""
        return [
            (term.key, self._domains.counts(PodsLike(shape), term.key))
            for shape in self._cluster.with_affinity
            for term in self._rules.of(shape).excluded
            if term.selector.matches(pod.namespace, pod.labels)
        ]

    def prepare_scores(self, pod: PodInfo) -> Callable[[Sequence[NodeInfo]], Sequence[float]] | None:
        if pod.shape.affinity is None and not self._cluster.with_affinity:
            return None
        worth = [
            (weight, term.key, self._domains.counts(term.selector, term.key))
            for weight, term in self._rules.of(pod.shape).preferred
        ]
        for shape in self._cluster.with_affinity:
            rules = self._rules.of(shape)
            for weight, term in (*rules.preferred, *((_REQUIRED_WEIGHT, term) for term in rules.required)):
                if term.selector.matches(pod.namespace, pod.labels):
                    worth.append((weight, term.key, self._domains.counts(PodsLike(shape), term.key)))
        if not worth:
            return None

        def scores(nodes: Sequence[NodeInfo]) -> Sequence[float]:
            sums = [0] * len(nodes)
            for weight, key, counts in worth:
                values = {value: weight * count for value, count in counts.items()}
                sums = [total + values.get(node.labels.get(key, ""), 0) for total, node in zip(sums, nodes, strict=True)]
            least, most = min(sums, default=0), max(sums, default=0)
            return [100.0 * (value - least) / (most - least) if most > least else 0.0 for value in sums]

        return scores
