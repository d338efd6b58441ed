"""Kubernetes' functions of lists: isSorted, sum, min, max, indexOf, lastIndexOf."""

from itertools import pairwise
from typing import Any

from master.api.cel import cost
from master.api.cel.declarations import Overload, define
from master.api.cel.errors import EvaluationError
from master.api.cel.values import Duration, Uint, check_weight, duration_checked, equal, int_checked, uint_checked

_ORDERED = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")


def _is_sorted(items: list[Any]) -> bool:
    try:
        return all(a <= b for a, b in pairwise(items))
    except TypeError:
        raise EvaluationError("no such overload") from None


def _sum(zero: Any) -> Any:
    def add(items: list[Any]) -> Any:
        if not items:
            return zero
        try:
            first = items[0]
            if isinstance(first, Duration):
                return duration_checked(sum(item.nanoseconds for item in items))
            total = sum(items)
            if isinstance(first, Uint):
                return uint_checked(total)
            return int_checked(total) if isinstance(total, int) else total
        except (TypeError, AttributeError):
            raise EvaluationError("no such overload") from None

    return add


def _extreme(name: str, choose: Any) -> Any:
    def extreme(items: list[Any]) -> Any:
        if not items:
            raise EvaluationError(f"{name} called on empty list")
        try:
            return choose(items)
        except TypeError:
            raise EvaluationError("no such overload") from None

    return extreme


def _index_of(items: list[Any], wanted: Any) -> int:
    if isinstance(wanted, list | dict):
        check_weight(items)
    return next((index for index, item in enumerate(items) if equal(item, wanted)), -1)


def _last_index_of(items: list[Any], wanted: Any) -> int:
    if isinstance(wanted, list | dict):
        check_weight(items)
    return next((index for index in range(len(items) - 1, -1, -1) if equal(items[index], wanted)), -1)


def _overloads() -> list[Overload]:
    found = []
    for kind in _ORDERED:
        found.append(define("isSorted", f"list({kind}).() -> bool", _is_sorted, cost.of_list))
        found.append(define("min", f"list({kind}).() -> {kind}", _extreme("min", min), cost.of_list))
        found.append(define("max", f"list({kind}).() -> {kind}", _extreme("max", max), cost.of_list))
    zeros: dict[str, Any] = {"int": 0, "uint": Uint(0), "double": 0.0, "duration": Duration(0)}
    for kind, zero in zeros.items():
        found.append(define("sum", f"list({kind}).() -> {kind}", _sum(zero), cost.of_list))
    return found


OVERLOADS = (
    *_overloads(),
    define("indexOf", "list(A).(A) -> int", _index_of, cost.of_list),
    define("lastIndexOf", "list(A).(A) -> int", _last_index_of, cost.of_list),
)
