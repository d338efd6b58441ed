"""Pods counted by topology domain (the nodes that share a label's value).

The counts are kept and brought up to date from the cluster's change log, so a placement costs the nodes that changed and not
the pods that there are.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from master.client.selectors import LabelSelector
from master.scheduler.cluster import Cluster, NodeInfo
from master.scheduler.pod import PodShape

_KEPT = 256


class Counted(Protocol):
    """What is counted. Hashable; equal ones count alike."""

    def __hash__(self) -> int: ...

    def count(self, node: NodeInfo) -> int | None:
        """How many there are on a node; None when the node takes no part."""
        ...


@dataclass(frozen=True, slots=True)
class PodSelector:
    """Pods by labels. `namespaces`: None for all of them."""

    namespaces: frozenset[str] | None
    labels: LabelSelector

    def matches(self, namespace: str, labels: Mapping[str, str]) -> bool:
        return (self.namespaces is None or namespace in self.namespaces) and self.labels.matches(labels)

    def count(self, node: NodeInfo) -> int | None:
        return sum(self.matches(pod.namespace, pod.labels) for pod in node.pods.values())


@dataclass(frozen=True, slots=True)
class PodsLike:
    """Pods of one shape."""

    shape: PodShape

    def count(self, node: NodeInfo) -> int | None:
        return sum(pod.shape is self.shape for pod in node.pods.values())


@dataclass(slots=True)
class _Kept:
    position: int = -1
    by_slot: dict[int, tuple[str, int]] = field(default_factory=dict)
    pods: dict[str, int] = field(default_factory=dict)
    nodes: dict[str, int] = field(default_factory=dict)

    def set(self, slot: int, found: tuple[str, int] | None) -> None:
        """What a slot contributes: a domain and a number of pods."""
        before = self.by_slot.pop(slot, None)
        if before is not None:
            domain, count = before
            self.pods[domain] -= count
            self.nodes[domain] -= 1
            if not self.nodes[domain]:
                del self.pods[domain], self.nodes[domain]
        if found is not None:
            domain, count = self.by_slot[slot] = found
            self.pods[domain] = self.pods.get(domain, 0) + count
            self.nodes[domain] = self.nodes.get(domain, 0) + 1


class Domains:
    """Counts over one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._kept: OrderedDict[tuple[Counted, str], _Kept] = OrderedDict()

    def counts(self, counted: Counted, key: str) -> Mapping[str, int]:
        """Pods by the value of a node label, also 0 for a value whose nodes have none. Do not change it."""
        kept = self._kept.get((counted, key))
        if kept is None:
            kept = self._kept[counted, key] = _Kept()
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end((counted, key))
        slots = self._cluster.slots
        changed = range(len(slots)) if kept.position < 0 else self._cluster.changed_since(kept.position)
        for slot in changed:
            kept.set(slot, _contribution(slots[slot], counted, key))
        kept.position = self._cluster.position
        return kept.pods


def _contribution(node: NodeInfo | None, counted: Counted, key: str) -> tuple[str, int] | None:
    if node is None or not node.exists or key not in node.labels:
        return None
    count = counted.count(node)
    return None if count is None else (node.labels[key], count)
