"""Placement: which node a pod goes to, or why to none.

What filters and scores say of a shape is kept in arrays over the nodes' slots, and only nodes that changed since are asked
again: of a thousand pods that are alike on a thousand nodes, each after the first asks about one node, the one that took the
pod before it. Finding the best is then one pass over an array.
"""

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from master.scheduler.cluster import Cluster, NodeInfo
from master.scheduler.framework import CrossNodeFilter, Rejecting
from master.scheduler.pod import PodInfo, PodShape
from master.scheduler.registry import Plugins

#: Shapes whose results are kept.
_KEPT = 48
#: Nothing that is added to it makes it another number.
_REJECTED = -math.inf
_TOP = 100.0
#: How many of the best nodes are asked about before all are.
_BEST_TRIED = 32

_Test = tuple[CrossNodeFilter, Callable[[NodeInfo], str | None]]
_Scorer = tuple[int, Callable[[Sequence[NodeInfo]], Sequence[float]]]


@dataclass(frozen=True, slots=True)
class Rejection:
    plugin: Rejecting
    reasons: Sequence[str]


@dataclass(frozen=True, slots=True)
class FitError:
    """No node fits. `message` is Kubernetes' text for the event and the condition."""

    message: str
    plugins: frozenset[str]


class _Results:
    """Of one shape, by slot."""

    __slots__ = ("normalized", "position", "rejections", "scores")

    def __init__(self, normalized: int) -> None:
        self.position = -1
        self.rejections: list[Rejection | None] = []
        self.scores: list[float] = []
        """The weighted sum of what needs no normalizing; _REJECTED for a node that does not fit or exist."""
        self.normalized: list[list[float]] = [[] for _ in range(normalized)]

    def grow(self, size: int) -> None:
        missing = size - len(self.scores)
        if missing > 0:
            self.rejections.extend([None] * missing)
            self.scores.extend([_REJECTED] * missing)
            for raw in self.normalized:
                raw.extend([0.0] * missing)


class Placement:
    """Places pods on a cluster; counts nothing there itself."""

    def __init__(self, cluster: Cluster, plugins: Plugins) -> None:
        self._cluster = cluster
        self._plugins = plugins
        self._plain = [score for score in plugins.scores if not score.normalized]
        self._normalized = [score for score in plugins.scores if score.normalized]
        self._results: OrderedDict[PodShape, _Results] = OrderedDict()

    def place(self, pod: PodInfo) -> NodeInfo | FitError:
        results = self._fresh(pod.shape)
        totals = self._totals(results)
        tests = [(plugin, test) for plugin in self._plugins.cross_filters if (test := plugin.prepare(pod)) is not None]
        scorers = [
            (plugin.cross_weight, scores)
            for plugin in self._plugins.cross_scores
            if (scores := plugin.prepare_scores(pod)) is not None
        ]
        if tests and not scorers:
            node = self._first_that_passes(totals, tests)
            if node is not None:
                return node
        against: dict[int, Rejection] = {}
        if tests:
            totals, against = self._cross_filtered(totals, tests)
        if scorers:
            totals = self._cross_scored(totals, scorers)
        best = max(totals, default=_REJECTED)
        if best == _REJECTED:
            return self._fit_error(results, against)
        chosen = self._cluster.slots[totals.index(best)]
        assert chosen is not None
        return chosen

    # One shape's results

    def _fresh(self, shape: PodShape) -> _Results:
        results = self._results.get(shape)
        if results is None:
            results = self._results[shape] = _Results(len(self._normalized))
            if len(self._results) > _KEPT:
                self._results.popitem(last=False)
        else:
            self._results.move_to_end(shape)
        slots = self._cluster.slots
        changed = range(len(slots)) if results.position < 0 else self._cluster.changed_since(results.position)
        results.grow(len(slots))
        for slot in changed:
            self._evaluate(shape, slots[slot], slot, results)
        results.position = self._cluster.position
        return results

    def _evaluate(self, shape: PodShape, node: NodeInfo | None, slot: int, results: _Results) -> None:
        results.rejections[slot] = None
        results.scores[slot] = _REJECTED
        for raw in results.normalized:
            raw[slot] = 0.0
        if node is None or not node.exists:
            return
        for plugin in self._plugins.filters:
            reasons = plugin.filter(shape, node)
            if reasons:
                results.rejections[slot] = Rejection(plugin, reasons)
                return
        results.scores[slot] = sum(score.weight * score.score(shape, node) for score in self._plain)
        for raw, score in zip(results.normalized, self._normalized, strict=True):
            raw[slot] = score.score(shape, node)

    def _totals(self, results: _Results) -> list[float]:
        """Never changed by whoever gets it: it may be the kept array itself."""
        totals = results.scores
        for raw, plugin in zip(results.normalized, self._normalized, strict=True):
            highest, lowest = max(raw, default=0.0), min(raw, default=0.0)
            if highest > 0:
                factor = plugin.weight * _TOP / highest
            elif lowest < 0:
                factor = -plugin.weight * _TOP / lowest
            else:
                continue
            totals = [total + factor * value for total, value in zip(totals, raw, strict=True)]
        return totals

    # What looks at several nodes

    def _first_that_passes(self, totals: list[float], tests: Sequence[_Test]) -> NodeInfo | None:
        """Where the order is known already, asking about the best nodes usually suffices; None when it does not."""
        totals = list(totals)
        for _ in range(_BEST_TRIED):
            best = max(totals, default=_REJECTED)
            if best == _REJECTED:
                return None
            slot = totals.index(best)
            node = self._cluster.slots[slot]
            if node is not None and all(test(node) is None for _, test in tests):
                return node
            totals[slot] = _REJECTED
        return None

    def _cross_filtered(self, totals: list[float], tests: Sequence[_Test]) -> tuple[list[float], dict[int, Rejection]]:
        totals = list(totals)
        against: dict[int, Rejection] = {}
        for slot, node in enumerate(self._cluster.slots):
            if totals[slot] == _REJECTED or node is None:
                continue
            for plugin, test in tests:
                reason = test(node)
                if reason is not None:
                    totals[slot] = _REJECTED
                    against[slot] = Rejection(plugin, (reason,))
                    break
        return totals, against

    def _cross_scored(self, totals: list[float], scorers: Sequence[_Scorer]) -> list[float]:
        totals = list(totals)
        fitting = [slot for slot, total in enumerate(totals) if total != _REJECTED]
        nodes = [node for slot in fitting if (node := self._cluster.slots[slot]) is not None]
        for weight, scores in scorers:
            for slot, score in zip(fitting, scores(nodes), strict=True):
                totals[slot] += weight * score
        return totals

    # No node fits

    def _fit_error(self, results: _Results, against: dict[int, Rejection]) -> FitError:
        if not self._cluster.existing:
            return FitError("no nodes available to schedule pods", frozenset())
        rejections = [against.get(slot, rejection) for slot, rejection in enumerate(results.rejections)]
        found = [rejection for rejection in rejections if rejection is not None]
        reasons = Counter(reason for rejection in found for reason in rejection.reasons)
        preemption = Counter(
            "No preemption victims found for incoming pod"
            if rejection.plugin.preemptible
            else "Preemption is not helpful for scheduling"
            for rejection in found
        )
        available = f"0/{self._cluster.existing} nodes are available"
        return FitError(
            f"{available}: {_listed(reasons)}. preemption: {available}: {_listed(preemption)}.",
            frozenset(rejection.plugin.name for rejection in found),
        )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items()))
