"""One ResourceQuota: which objects it counts, what they use together, and whether one more fits."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from master.quota.evaluator import Evaluator, ScopeSelector
from master.quota.quantities import Sum, added, exceeding, masked, shown
from master.quota.registry import evaluator_of

Json = dict[str, Any]


class Refused(Exception):
    """The object does not fit; the text is Kubernetes'."""


def scopes_of(quota: Json) -> list[ScopeSelector]:
    """All must hold for an object to be counted."""
    spec = quota.get("spec") or {}
    selectors: list[ScopeSelector] = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    return selectors + list((spec.get("scopeSelector") or {}).get("matchExpressions") or ())


def counts(quota: Json, evaluator: Evaluator, obj: Json) -> bool:
    """Whether an object is of the quota's scopes."""
    return all(evaluator.in_scope(obj, selector) for selector in scopes_of(quota))


class Count:
    """What the objects that are added use of what a quota's `spec.hard` limits."""

    def __init__(self, quota: Json) -> None:
        self._quota = quota
        self._hard = (quota.get("spec") or {}).get("hard") or {}
        self._total = Sum()
        self._total.add(dict.fromkeys(self._hard, "0"))

    def add(self, group: str, plural: str, objects: Iterable[Json]) -> None:
        evaluator = evaluator_of(group, plural)
        names = evaluator.names(self._hard)
        for obj in objects:
            if counts(self._quota, evaluator, obj):
                self._total.add(masked(evaluator.usage(obj), names))

    def result(self) -> dict[str, str]:
        return self._total.result()


def charged(quota: Json, evaluator: Evaluator, obj: Json, growth: Mapping[str, str]) -> dict[str, str] | None:
    """The quota's `status.used` with the object in it; None when the quota does not limit what the object uses.

    `growth`: what the object uses, or uses more than before. Only what the quota controller has accepted into `status.hard` is
    limited. Raises Refused.
    """
    name = quota["metadata"]["name"]
    status = quota.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    limited = evaluator.names(hard)
    if not limited or not counts(quota, evaluator, obj):
        return None
    if missing := evaluator.missing(limited, obj):
        raise Refused(f"failed quota: {name}: {missing}")
    if not limited <= used.keys():
        raise Refused(f"status unknown for quota: {name}, resources: {','.join(sorted(limited))}")
    requested = masked(growth, limited)
    if not requested:
        return None
    after = added(used, requested)
    if exceeded := exceeding(masked(after, requested), hard):
        texts: Sequence[str] = [shown(masked(listed, exceeded)) for listed in (requested, used, hard)]
        raise Refused(f"exceeded quota: {name}, requested: {texts[0]}, used: {texts[1]}, limited: {texts[2]}")
    return after
