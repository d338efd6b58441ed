"""Which pods a selector finds on each node; kept per selector and brought up to date from the cluster's change log."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from master.client.selectors import LabelSelector
from master.scheduler.cluster import Cluster

_KEPT = 64


@dataclass(frozen=True, slots=True)
class PodSelector:
    """`namespaces`: None for all of them."""

    namespaces: frozenset[str] | None
    labels: LabelSelector

    def matches(self, namespace: str, labels: Mapping[str, str]) -> bool:
        return (self.namespaces is None or namespace in self.namespaces) and self.labels.matches(labels)


@dataclass(slots=True)
class _Counts:
    position: int = -1
    by_slot: list[int] = field(default_factory=list)


class MatchingPods:
    """Counts of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._counts: OrderedDict[PodSelector, _Counts] = OrderedDict()

    def counts(self, selector: PodSelector) -> Sequence[int]:
        """How many pods it finds, by slot. Do not change it."""
        kept = self._counts.get(selector)
        if kept is None:
            kept = self._counts[selector] = _Counts()
            if len(self._counts) > _KEPT:
                self._counts.popitem(last=False)
        else:
            self._counts.move_to_end(selector)
        slots = self._cluster.slots
        changed = range(len(slots)) if kept.position < 0 else self._cluster.changed_since(kept.position)
        kept.by_slot.extend([0] * (len(slots) - len(kept.by_slot)))
        for slot in changed:
            node = slots[slot]
            kept.by_slot[slot] = sum(selector.matches(pod.namespace, pod.labels) for pod in node.pods.values()) if node else 0
        kept.position = self._cluster.position
        return kept.by_slot
