"""Operators: arithmetic that overflows is an error, comparisons, indices, membership; and `size`."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from master.api.cel import cost
from master.api.cel.declarations import Overload, define
from master.api.cel.errors import EvaluationError
from master.api.cel.types import BOOL
from master.api.cel.values import (
    ABSENT,
    Duration,
    Present,
    check_weight,
    duration_checked,
    equal,
    int_checked,
    is_number,
    uint_checked,
)


def _int(compute: Callable[[int, int], int]) -> Callable[[int, int], int]:
    return lambda a, b: int_checked(compute(a, b))


def _uint(compute: Callable[[int, int], int]) -> Callable[[int, int], int]:
    return lambda a, b: uint_checked(compute(int(a), int(b)))


def _quotient(a: int, b: int) -> int:
    if b == 0:
        raise EvaluationError("division by zero")
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _remainder(a: int, b: int) -> int:
    if b == 0:
        raise EvaluationError("modulus by zero")
    return int(math.fmod(a, b)) if abs(a) < 2**52 and abs(b) < 2**52 else a - b * _quotient(a, b)


def _divided(a: float, b: float) -> float:
    if b == 0:
        if a == 0 or math.isnan(a):
            return math.nan
        return math.copysign(math.inf, a) * math.copysign(1.0, b)
    return a / b


def _later(at: datetime, by: Duration) -> datetime:
    try:
        return at + timedelta(microseconds=by.nanoseconds / 1000)
    except OverflowError as error:
        raise EvaluationError("timestamp overflow") from error


def _between(a: datetime, b: datetime) -> Duration:
    return duration_checked((a - b) // timedelta(microseconds=1) * 1000)


def _at(container: Any, key: Any) -> Any:
    if isinstance(container, Present):
        return _maybe_at(container.value, key)
    if container is ABSENT:
        return ABSENT
    if isinstance(container, dict):
        if isinstance(key, bool | int | float | str) and key in container:
            return container[key]
        raise EvaluationError(f"no such key: {_shown(key)}")
    if not isinstance(container, list):
        raise EvaluationError("no such overload")
    index = _index(key)
    if not 0 <= index < len(container):
        raise EvaluationError(f"index out of bounds: {index}")
    return container[index]


def _maybe_at(container: Any, key: Any) -> Any:
    if isinstance(container, Present):
        container = container.value
    if container is ABSENT:
        return ABSENT
    if isinstance(container, dict):
        return Present(container[key]) if isinstance(key, bool | int | float | str) and key in container else ABSENT
    if not isinstance(container, list):
        raise EvaluationError("no such overload")
    index = _index(key)
    return Present(container[index]) if 0 <= index < len(container) else ABSENT


def _index(key: Any) -> int:
    if not is_number(key) or (isinstance(key, float) and not key.is_integer()):
        raise EvaluationError("no such overload")
    return int(key)


def _shown(key: Any) -> str:
    return {True: "true", False: "false"}[key] if isinstance(key, bool) else str(key)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, list | dict | Present) and a is not b:
        check_weight(a)  # both are gone through side by side
    return equal(a, b)


def _in_list(value: Any, found: list[Any]) -> bool:
    if isinstance(value, list | dict | Present):
        check_weight(found)
    return any(equal(value, item) for item in found)


def _in_map(key: Any, found: dict[Any, Any]) -> bool:
    return isinstance(key, bool | int | float | str) and key in found


_COMPARED = ("bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration")
_MIXED = (("int", "uint"), ("int", "double"), ("uint", "double"))
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "_<_": lambda a, b: a < b,
    "_<=_": lambda a, b: a <= b,
    "_>_": lambda a, b: a > b,
    "_>=_": lambda a, b: a >= b,
}


def _comparisons() -> list[Overload]:
    found = []
    for name, compare in _COMPARISONS.items():
        for kind in _COMPARED:
            price = cost.of_shorter if kind in ("string", "bytes") else None
            found.append(define(name, f"({kind}, {kind}) -> bool", compare, price))
        for a, b in _MIXED:
            found += [define(name, f"({a}, {b}) -> bool", compare), define(name, f"({b}, {a}) -> bool", compare)]
    return found


def _never(*_: Any) -> Any:
    raise AssertionError("the evaluator has its own form of this operator")


OVERLOADS: tuple[Overload, ...] = (
    Overload("_&&_", (BOOL, BOOL), BOOL, member=False, implementation=_never),
    Overload("_||_", (BOOL, BOOL), BOOL, member=False, implementation=_never),
    define("_?_:_", "(bool, A, A) -> A", _never),
    define("!_", "(bool) -> bool", lambda a: not a),
    define("-_", "(int) -> int", lambda a: int_checked(-a)),
    define("-_", "(double) -> double", lambda a: -a),
    define("_==_", "(A, A) -> bool", _same, cost.of_shorter),
    define("_!=_", "(A, A) -> bool", lambda a, b: not _same(a, b), cost.of_shorter),
    define("_+_", "(int, int) -> int", _int(lambda a, b: a + b)),
    define("_+_", "(uint, uint) -> uint", _uint(lambda a, b: a + b)),
    define("_+_", "(double, double) -> double", lambda a, b: a + b),
    define("_+_", "(string, string) -> string", lambda a, b: a + b, cost.of_both),
    define("_+_", "(bytes, bytes) -> bytes", lambda a, b: a + b, cost.of_both),
    define("_+_", "(list(A), list(A)) -> list(A)", lambda a, b: [*a, *b], cost.of_both),
    define("_+_", "(timestamp, duration) -> timestamp", _later),
    define("_+_", "(duration, timestamp) -> timestamp", lambda a, b: _later(b, a)),
    define("_+_", "(duration, duration) -> duration", lambda a, b: duration_checked(a.nanoseconds + b.nanoseconds)),
    define("_-_", "(int, int) -> int", _int(lambda a, b: a - b)),
    define("_-_", "(uint, uint) -> uint", _uint(lambda a, b: a - b)),
    define("_-_", "(double, double) -> double", lambda a, b: a - b),
    define("_-_", "(timestamp, timestamp) -> duration", _between),
    define("_-_", "(timestamp, duration) -> timestamp", lambda a, b: _later(a, Duration(-b.nanoseconds))),
    define("_-_", "(duration, duration) -> duration", lambda a, b: duration_checked(a.nanoseconds - b.nanoseconds)),
    define("_*_", "(int, int) -> int", _int(lambda a, b: a * b)),
    define("_*_", "(uint, uint) -> uint", _uint(lambda a, b: a * b)),
    define("_*_", "(double, double) -> double", lambda a, b: a * b),
    define("_/_", "(int, int) -> int", _int(_quotient)),
    define("_/_", "(uint, uint) -> uint", _uint(_quotient)),
    define("_/_", "(double, double) -> double", _divided),
    define("_%_", "(int, int) -> int", _int(_remainder)),
    define("_%_", "(uint, uint) -> uint", _uint(_remainder)),
    *_comparisons(),
    define("_[_]", "(list(A), int) -> A", _at),
    define("_[_]", "(map(A, B), A) -> B", _at),
    define("_[_]", "(optional(list(A)), int) -> optional(A)", _at),
    define("_[_]", "(optional(map(A, B)), A) -> optional(B)", _at),
    define("_[?_]", "(list(A), int) -> optional(A)", _maybe_at),
    define("_[?_]", "(map(A, B), A) -> optional(B)", _maybe_at),
    define("_[?_]", "(optional(list(A)), int) -> optional(A)", _maybe_at),
    define("_[?_]", "(optional(map(A, B)), A) -> optional(B)", _maybe_at),
    define("@in", "(A, list(A)) -> bool", _in_list, cost.of_second_list),
    define("@in", "(A, map(A, B)) -> bool", _in_map),
    *(
        define("size", form.format(kind), len)
        for kind in ("string", "bytes", "list(A)", "map(A, B)")
        for form in ("({}) -> int", "{}.() -> int")
    ),
)
