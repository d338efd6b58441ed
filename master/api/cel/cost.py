"""What evaluation costs, in the units of cel-go and Kubernetes, and the budget that bounds it in steps and in time.

Kubernetes' limits: 1,000,000 for one call of an expression, 10,000,000 for all rules of one object. The time limit is ours: a
unit costs Python more than Go (ADR 17). Source: cel-go interpreter/runtimecost.go, k8s.io/apiserver pkg/cel/library/cost.go.
"""

import math
import time
from typing import Any

from master.api.cel.errors import BudgetExceeded
from master.api.cel.values import size_of

PER_CALL_LIMIT = 1_000_000
PER_OBJECT_LIMIT = 10_000_000
#: How long all expressions of one object may take together.
SECONDS_PER_OBJECT = 2.0
_LOOK_AT_CLOCK = 1_024
_TRAVERSAL = 0.1
_REGEX = 0.25

LIST = 10
MAP = 30


class Budget:
    """What the expressions of one object may cost together. `spent` counts up; `left` may become negative."""

    def __init__(self, limit: int = PER_OBJECT_LIMIT, *, seconds: float = SECONDS_PER_OBJECT) -> None:
        self.limit = limit
        self.spent = 0
        self.deadline = time.monotonic() + seconds

    @property
    def left(self) -> int:
        return -1 if time.monotonic() >= self.deadline else self.limit - self.spent


class Meter:
    """Counts one evaluation. Raises BudgetExceeded when it costs or lasts more than it may."""

    __slots__ = ("_deadline", "_limit", "_next_look", "cost", "slots")

    def __init__(self, slots: list[Any], *, limit: int, deadline: float) -> None:
        #: The values of the variables.
        self.slots = slots
        self.cost = 0
        self._limit = limit
        self._deadline = deadline
        self._next_look = _LOOK_AT_CLOCK

    def charge(self, cost: int) -> None:
        self.cost += cost
        if self.cost > self._limit:
            raise BudgetExceeded
        if self.cost >= self._next_look:
            self._next_look = self.cost + _LOOK_AT_CLOCK
            if time.monotonic() >= self._deadline:
                raise BudgetExceeded

    def look(self) -> None:
        """After a call, which may have taken long for what it cost. Raises BudgetExceeded when the time is up."""
        if time.monotonic() >= self._deadline:
            raise BudgetExceeded


def traversed(size: float) -> int:
    """The cost of going through so many characters."""
    return math.ceil(size * _TRAVERSAL)


def of_first(arguments: tuple[Any, ...], result: Any) -> int:
    """Going through the first argument once."""
    return traversed(size_of(arguments[0]))


def of_first_twice(arguments: tuple[Any, ...], result: Any) -> int:
    return traversed(size_of(arguments[0]) * 2)


def of_result_twice(arguments: tuple[Any, ...], result: Any) -> int:
    return traversed(size_of(result) * 2)


def of_first_or_result(arguments: tuple[Any, ...], result: Any) -> int:
    """Going through the first argument; when the result is larger, through that: else a short call makes long strings."""
    return max(of_first(arguments, result), traversed(size_of(result)))


def of_first_twice_or_result(arguments: tuple[Any, ...], result: Any) -> int:
    return max(of_first_twice(arguments, result), traversed(size_of(result)))


def of_both(arguments: tuple[Any, ...], result: Any) -> int:
    """Copying both."""
    return traversed(size_of(arguments[0]) + size_of(arguments[1]))


def of_shorter(arguments: tuple[Any, ...], result: Any) -> int:
    """Comparing two."""
    return traversed(min(size_of(arguments[0]), size_of(arguments[1])))


def of_product(arguments: tuple[Any, ...], result: Any) -> int:
    """Looking for one string in another."""
    return traversed(size_of(arguments[0])) * traversed(size_of(arguments[1]))


def of_regex(arguments: tuple[Any, ...], result: Any) -> int:
    return regex_cost(size_of(arguments[0]), size_of(arguments[1]))


def regex_cost(text: int, pattern: int) -> int:
    return traversed(1.0 + text) * math.ceil(pattern * _REGEX)


def of_second_list(arguments: tuple[Any, ...], result: Any) -> int:
    """`x in list`."""
    return size_of(arguments[1])


def of_list(arguments: tuple[Any, ...], result: Any) -> int:
    """Going through a list and the strings in it."""
    found = arguments[0]
    if not isinstance(found, list):
        return of_first(arguments, result)
    return sum(traversed(len(item)) if isinstance(item, str | bytes) else 1 for item in found) + 1


def of_two_lists(arguments: tuple[Any, ...], result: Any) -> int:
    """Comparing each item of one with each of another."""
    return size_of(arguments[0]) * size_of(arguments[1]) + 1


def one(arguments: tuple[Any, ...], result: Any) -> int:
    return 1


#: Costs that only the result tells. All others are charged before the call: what is too dear is not done.
OF_RESULT = frozenset({of_result_twice, of_first_or_result, of_first_twice_or_result})
