"""Rules about other pods, compiled from a pod's affinity: selectors with their namespaces resolved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lightkube.models.core_v1 import PodAffinityTerm

from master.client.selectors import NOTHING, InvalidSelector, of_model
from master.scheduler.cluster import Cluster
from master.scheduler.domains import PodSelector
from master.scheduler.pod import PodShape


@dataclass(frozen=True, slots=True)
class Term:
    """Pods that `selector` finds, in the domain of a node's label `key`."""

    key: str
    selector: PodSelector


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one shape. Preferred terms have their weight first, negative for those to stay away from."""

    required: Sequence[Term]
    excluded: Sequence[Term]
    preferred: Sequence[tuple[int, Term]]


_NONE = Rules((), (), ())

_KEPT = 512


class CompiledRules:
    """The rules of shapes, compiled once until a namespace changes."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._version = -1
        self._compiled: dict[PodShape, Rules] = {}

    def of(self, shape: PodShape) -> Rules:
        if shape.affinity is None:
            return _NONE
        if self._version != self._cluster.namespaces_version or len(self._compiled) > _KEPT:
            self._compiled.clear()
            self._version = self._cluster.namespaces_version
        rules = self._compiled.get(shape)
        if rules is None:
            rules = self._compiled[shape] = _rules(shape, self._cluster.namespaces)
        return rules


def _rules(shape: PodShape, namespaces: Mapping[str, Mapping[str, str]]) -> Rules:
    """`namespaces`: the labels of each, for namespace selectors."""
    if shape.affinity is None:
        return _NONE
    near, away = shape.affinity.podAffinity, shape.affinity.podAntiAffinity

    def compiled(terms: Sequence[PodAffinityTerm] | None) -> Sequence[Term]:
        return [_compile(term, shape, namespaces) for term in terms or ()]

    preferred = [
        (weighted.weight, _compile(weighted.podAffinityTerm, shape, namespaces))
        for weighted in (near.preferredDuringSchedulingIgnoredDuringExecution if near else None) or ()
    ]
    preferred += [
        (-weighted.weight, _compile(weighted.podAffinityTerm, shape, namespaces))
        for weighted in (away.preferredDuringSchedulingIgnoredDuringExecution if away else None) or ()
    ]
    return Rules(
        required=compiled(near.requiredDuringSchedulingIgnoredDuringExecution if near else None),
        excluded=compiled(away.requiredDuringSchedulingIgnoredDuringExecution if away else None),
        preferred=preferred,
    )


def _compile(term: PodAffinityTerm, shape: PodShape, namespaces: Mapping[str, Mapping[str, str]]) -> Term:
    """The pod's own namespace counts when the term names none."""
    try:
        labels = of_model(term.labelSelector)
        selected = of_model(term.namespaceSelector)
    except InvalidSelector:
        return Term(term.topologyKey, PodSelector(frozenset(), NOTHING))
    named = frozenset(term.namespaces or ())
    if term.namespaceSelector is None:
        return Term(term.topologyKey, PodSelector(named or frozenset((shape.namespace,)), labels))
    if not selected:
        return Term(term.topologyKey, PodSelector(None, labels))
    found = frozenset(name for name, namespace_labels in namespaces.items() if selected.matches(namespace_labels))
    return Term(term.topologyKey, PodSelector(named | found, labels))
