"""How CEL's values look in Python: bool, int, `Uint`, float, str, bytes, None, list, dict, datetime, and the classes here.

Objects of the API are their JSON dicts. Equality is `equal`, never Python's own: numbers of all kinds compare, but bool is no
number, and lists of Kubernetes' types set and map ignore order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from master.api.cel.errors import BudgetExceeded, EvaluationError

#: What values may weigh that are gone through to their depths: characters, and more for each element, list and map.
_WEIGHT = 20_000_000
_ELEMENT, _CONTAINER = 10, 40
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
UINT_MAX = 2**64 - 1


class Uint(int):
    """An unsigned integer; the same number as an int, of another type."""


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    nanoseconds: int


@dataclass(frozen=True, slots=True)
class TypeValue:
    """A type as a value: what `type(x)` gives."""

    name: str


@dataclass(frozen=True, slots=True)
class Present:
    """An optional that has a value. An empty one is `ABSENT`."""

    value: Any


class _Absent:
    __slots__ = ()


ABSENT = _Absent()


class Lazy:
    """A variable that is evaluated when it is first named. `compute` may raise EvaluationError, each time."""

    __slots__ = ("_compute", "_known", "_value")

    def __init__(self, compute: Callable[[], Any]) -> None:
        self._compute = compute
        self._known = False
        self._value: Any = None

    def value(self) -> Any:
        if not self._known:
            self._value, self._known = self._compute(), True
        return self._value


class SetList(list[Any]):
    """A list of x-kubernetes-list-type set: the order does not count in comparisons."""


class MapList(list[Any]):
    """A list of x-kubernetes-list-type map: items are known by their keys, and the order does not count."""

    def __init__(self, items: Sequence[Any], keys: tuple[str, ...]) -> None:
        super().__init__(items)
        self.keys = keys

    def key_of(self, item: Any) -> tuple[Any, ...]:
        return tuple(hashable(item.get(key)) if isinstance(item, dict) else None for key in self.keys)


def int_checked(value: int) -> int:
    if not INT_MIN <= value <= INT_MAX:
        raise EvaluationError("integer overflow")
    return value


def uint_checked(value: int) -> Uint:
    if not 0 <= value <= UINT_MAX:
        raise EvaluationError("unsigned integer overflow")
    return Uint(value)


def duration_checked(nanoseconds: int) -> Duration:
    if not INT_MIN <= nanoseconds <= INT_MAX:
        raise EvaluationError("duration overflow")
    return Duration(nanoseconds)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def equal(left: Any, right: Any) -> bool:
    """CEL's `==`; values of different types are different, never an error."""
    if left is right:
        return bool(left == left)  # NaN is not itself
    if is_number(left) and is_number(right):
        return bool(left == right)
    if isinstance(left, dict) and isinstance(right, dict):
        return len(left) == len(right) and all(key in right and equal(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return _lists_equal(left, right)
    if isinstance(left, Present) and isinstance(right, Present):
        return equal(left.value, right.value)
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    if type(left) is not type(right) and not (isinstance(left, datetime) and isinstance(right, datetime)):
        return False
    return bool(left == right)


def _lists_equal(left: list[Any], right: list[Any]) -> bool:
    if len(left) != len(right):
        return False
    if isinstance(left, SetList) or isinstance(right, SetList):
        return {hashable(item) for item in left} == {hashable(item) for item in right}
    if isinstance(left, MapList):
        found = {left.key_of(item): item for item in left}
        return all(key in found and equal(found[key], item) for key, item in ((left.key_of(item), item) for item in right))
    if isinstance(right, MapList):
        return _lists_equal(right, left)
    return all(equal(a, b) for a, b in zip(left, right, strict=True))


def hashable(value: Any) -> Any:
    """Something that stands for a value in sets: equal values have equal ones."""
    if isinstance(value, dict):
        return "map", frozenset((key, hashable(item)) for key, item in value.items())
    if isinstance(value, list):
        return "list", tuple(hashable(item) for item in value)
    return (type(value) if not is_number(value) else "number", value)


def check_weight(*values: Any) -> None:
    """Before values are compared or shown to their depths. Raises BudgetExceeded when that takes too long.

    A few steps make a list of two lists that are one list of two lists …, which is small and yet has no end.
    """
    left = _WEIGHT
    inner: list[Any] = [value for value in values if isinstance(value, list | dict | Present)]
    while inner:
        value = inner.pop()
        items: Any = (value.value,) if isinstance(value, Present) else value.values() if isinstance(value, dict) else value
        left -= _CONTAINER + _ELEMENT * len(items)
        if left < 0:
            raise BudgetExceeded
        for item in items:
            if isinstance(item, str | bytes):
                left -= len(item)
            elif isinstance(item, list | dict | Present):
                inner.append(item)
    if left < 0:
        raise BudgetExceeded


def size_of(value: Any) -> int:
    """What a value counts in costs: the length of strings, lists and maps; 1 for anything else."""
    if isinstance(value, str | bytes | list | dict):
        return len(value)
    if isinstance(value, Present):
        return size_of(value.value)
    size = getattr(value, "cost_size", None)
    return size if isinstance(size, int) else 1
