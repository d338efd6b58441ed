"""InterPodAffinity: pods that want to be, or must not be, where certain other pods are.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
"""

from collections import Counter
from collections.abc import Callable, Sequence

from master.scheduler.affinity import Rules, Term, rules_of
from master.scheduler.cluster import Cluster, NodeInfo
from master.scheduler.framework import ClusterEvent
from master.scheduler.matching import MatchingPods
from master.scheduler.pod import PodInfo

_AFFINITY = "node(s) didn't match pod affinity rules"
_ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
_EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"

#: What a required affinity of a pod that is there counts for, when an incoming pod fulfils it (Kubernetes' default).
_REQUIRED_WEIGHT = 1

Domain = tuple[str, str]
"""A node label and its value."""


class InterPodAffinity:
    name = "InterPodAffinity"
    order = 70
    preemptible = True
    events = frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.NODE_LABELS, ClusterEvent.POD_ADDED, ClusterEvent.POD_DELETED})
    cross_weight = 2

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._matching = MatchingPods(cluster)

    def prepare(self, pod: PodInfo) -> Callable[[NodeInfo], str | None] | None:
        if pod.shape.affinity is None and not self._cluster.with_affinity:
            return None
        rules = rules_of(pod.shape, self._cluster.namespaces)
        forbidden = self._forbidden_by_others(pod)
        if not rules.required and not rules.excluded and not forbidden:
            return None
        near = [(term.key, self._domains(term)) for term in rules.required]
        away = [(term.key, self._domains(term)) for term in rules.excluded]
        first = self._is_first(pod, rules, [domains for _, domains in near])

        def test(node: NodeInfo) -> str | None:
            labels = node.labels
            for key, domains in near:
                value = labels.get(key)
                if value is None or (value not in domains and not first):
                    return _AFFINITY
            for key, domains in away:
                if labels.get(key) in domains:
                    return _ANTI_AFFINITY
            if any(labels.get(key) == value for key, value in forbidden):
                return _EXISTING
            return None

        return test

    def _domains(self, term: Term) -> set[str | None]:
        """Where pods are that the term means."""
        counts = self._matching.counts(term.selector)
        nodes = (node for slot, count in enumerate(counts) if count and (node := self._cluster.slots[slot]) is not None)
        return {node.labels[term.key] for node in nodes if term.key in node.labels}

    @staticmethod
    def _is_first(pod: PodInfo, rules: Rules, domains: Sequence[set[str | None]]) -> bool:
        """The first of a group of pods that want to be together may go anywhere, or none could ever start."""
        return not any(domains) and all(term.selector.matches(pod.namespace, pod.labels) for term in rules.required)

    def _forbidden_by_others(self, pod: PodInfo) -> set[Domain]:
        """Domains that pods which are there keep this one out of."""
        forbidden: set[Domain] = set()
        for shape, nodes in self._cluster.with_affinity.items():
            for term in rules_of(shape, self._cluster.namespaces).excluded:
                if term.selector.matches(pod.namespace, pod.labels):
                    forbidden.update((term.key, node.labels[term.key]) for node in nodes.values() if term.key in node.labels)
        return forbidden

    def prepare_scores(self, pod: PodInfo) -> Callable[[Sequence[NodeInfo]], Sequence[float]] | None:
        if pod.shape.affinity is None and not self._cluster.with_affinity:
            return None
        worth: Counter[Domain] = Counter()
        for weight, term in rules_of(pod.shape, self._cluster.namespaces).preferred:
            for slot, count in enumerate(self._matching.counts(term.selector)):
                node = self._cluster.slots[slot]
                if count and node is not None and term.key in node.labels:
                    worth[term.key, node.labels[term.key]] += weight * count
        for shape, nodes in self._cluster.with_affinity.items():
            rules = rules_of(shape, self._cluster.namespaces)
            wishes = [*rules.preferred, *((_REQUIRED_WEIGHT, term) for term in rules.required)]
            for weight, term in wishes:
                if term.selector.matches(pod.namespace, pod.labels):
                    for node in nodes.values():
                        if term.key in node.labels:
                            worth[term.key, node.labels[term.key]] += weight
        if not worth:
            return None
        keys = {key for key, _ in worth}

        def scores(nodes: Sequence[NodeInfo]) -> Sequence[float]:
            sums = [sum(worth[key, node.labels[key]] for key in keys if key in node.labels) for node in nodes]
            least, most = min(sums, default=0), max(sums, default=0)
            return [100.0 * (value - least) / (most - least) if most > least else 0.0 for value in sums]

        return scores
