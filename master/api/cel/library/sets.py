"""Lists as sets: sets.contains, sets.equivalent, sets.intersects."""

from typing import Any

from master.api.cel import cost
from master.api.cel.declarations import define
from master.api.cel.values import check_weight, hashable

_A = "(list(A), list(A)) -> bool"


def _set(items: list[Any]) -> frozenset[Any]:
    check_weight(items)
    return frozenset(hashable(item) for item in items)


OVERLOADS = (
    define("sets.contains", _A, lambda items, part: _set(part) <= _set(items), cost.of_two_lists),
    define("sets.equivalent", _A, lambda items, other: _set(items) == _set(other), cost.of_two_lists),
    define("sets.intersects", _A, lambda items, other: not _set(items).isdisjoint(_set(other)), cost.of_two_lists),
)
