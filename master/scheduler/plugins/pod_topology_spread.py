"""PodTopologySpread: spec.topologySpreadConstraints; DoNotSchedule rejects, ScheduleAnyway costs score.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lightkube.models.core_v1 import TopologySpreadConstraint

from master.client.selectors import InvalidSelector, LabelSelector, Requirement, of_model
from master.scheduler.cluster import Cluster, NodeInfo
from master.scheduler.domains import Domains, PodSelector
from master.scheduler.framework import ClusterEvent
from master.scheduler.pod import PodInfo, PodShape
from master.scheduler.tolerations import tolerates

_MISMATCH = "node(s) didn't match pod topology spread constraints"
_NO_LABEL = "node(s) didn't match pod topology spread constraints (missing required label)"


@dataclass(frozen=True, slots=True)
class _Constraint:
    """One constraint, counted."""

    key: str
    max_skew: int
    matches_itself: int
    counts: Mapping[str, int]
    least: int

    def reason(self, node: NodeInfo) -> str | None:
        domain = node.labels.get(self.key)
        if domain is None:
            return _NO_LABEL
        skew = self.counts.get(domain, 0) + self.matches_itself - self.least
        return _MISMATCH if skew > self.max_skew else None


@dataclass(frozen=True, slots=True)
class _EligiblePods:
    """Pods that a selector finds, on nodes that take part in a constraint of pods of this shape."""

    selector: PodSelector
    shape: PodShape
    keys: tuple[str, ...]
    honors_affinity: bool
    honors_taints: bool

    def count(self, node: NodeInfo) -> int | None:
        shape = self.shape
        if not all(key in node.labels for key in self.keys):
            return None
        if self.honors_affinity and not (
            shape.node_selector.matches(node.labels)
            and (shape.required is None or any(term.matches(node.name, node.labels) for term in shape.required))
        ):
            return None
        if self.honors_taints and not all(
            taint.effect == "PreferNoSchedule" or tolerates(shape.tolerations, taint) for taint in node.taints
        ):
            return None
        return self.selector.count(node)


class PodTopologySpread:
    name = "PodTopologySpread"
    order = 60
    preemptible = True
    events = frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.NODE_LABELS, ClusterEvent.POD_ADDED, ClusterEvent.POD_DELETED})
    cross_weight = 2

    def __init__(self, cluster: Cluster) -> None:
        self._domains = Domains(cluster)

    def prepare(self, pod: PodInfo) -> Callable[[NodeInfo], str | None] | None:
        hard = [c for c in pod.shape.spread if c.whenUnsatisfiable == "DoNotSchedule"]
        if not hard:
            return None
        keys = [constraint.topologyKey for constraint in hard]
        counted = [self._count(pod, constraint, keys) for constraint in hard]

        def test(node: NodeInfo) -> str | None:
            for domains in counted:
                reason = domains.reason(node)
                if reason is not None:
                    return reason
            return None

        return test

    def prepare_scores(self, pod: PodInfo) -> Callable[[Sequence[NodeInfo]], Sequence[float]] | None:
        soft = [c for c in pod.shape.spread if c.whenUnsatisfiable == "ScheduleAnyway"]
        if not soft:
            return None

        def scores(nodes: Sequence[NodeInfo]) -> Sequence[float]:
            keys = [constraint.topologyKey for constraint in soft]
            counted = [self._count(pod, constraint, keys) for constraint in soft]
            # A node without the label is worst, but not refused.
            costs = [
                sum(domains.counts.get(node.labels[domains.key], 0) for domains in counted)
                if all(domains.key in node.labels for domains in counted)
                else None
                for node in nodes
            ]
            known = [cost for cost in costs if cost is not None]
            most, least = max(known, default=0), min(known, default=0)
            if not most:
                return [0.0 if cost is None else 100.0 for cost in costs]
            return [0.0 if cost is None else 100.0 * (most + least - cost) / most for cost in costs]

        return scores

    def _count(self, pod: PodInfo, constraint: TopologySpreadConstraint, keys: Sequence[str]) -> _Constraint:
        selector = PodSelector(frozenset((pod.namespace,)), _selector(pod, constraint))
        eligible = _EligiblePods(
            selector=selector,
            shape=pod.shape,
            keys=tuple(keys),
            honors_affinity=constraint.nodeAffinityPolicy != "Ignore",
            honors_taints=constraint.nodeTaintsPolicy == "Honor",
        )
        counts = self._domains.counts(eligible, constraint.topologyKey)
        enough = len(counts) >= (constraint.minDomains or 1)
        return _Constraint(
            key=constraint.topologyKey,
            max_skew=constraint.maxSkew,
            matches_itself=int(selector.matches(pod.namespace, pod.labels)),
            counts=counts,
            least=min(counts.values(), default=0) if enough else 0,
        )


def _selector(pod: PodInfo, constraint: TopologySpreadConstraint) -> LabelSelector:
    try:
        selector = of_model(constraint.labelSelector)
    except InvalidSelector:
        return of_model(None)
    extra = tuple(
        Requirement(key, "In", frozenset((pod.labels[key],))) for key in constraint.matchLabelKeys or () if key in pod.labels
    )
    return LabelSelector(selector.requirements + extra) if extra and constraint.labelSelector else selector
