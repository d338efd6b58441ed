"""No expression costs or lasts more than it may."""

import time

import pytest

from master.api.cel.cost import Budget
from master.api.cel.environment import Environment
from master.api.cel.errors import BudgetExceeded
from master.api.cel.types import INT, STRING, list_of

_ENVIRONMENT = Environment({"l": list_of(INT), "s": STRING})
_NESTED = "l.all(a, l.all(b, l.all(c, l.all(d, a + b + c + d >= 0))))"


def test_cost_is_counted_in_the_units_of_kubernetes() -> None:
    budget = Budget()
    program = _ENVIRONMENT.compile("s == 'aaaaaaaaaaaaaaaaaaaa' && l.size() == 3")
    program.evaluate({"l": [1, 2, 3], "s": "a" * 20}, budget)
    # s: 1, comparing 20 characters: 2; l: 1, size: 1, comparing numbers: 1
    assert budget.spent == 6


def test_expensive_call_is_stopped_at_its_limit() -> None:
    budget = Budget(seconds=60)
    with pytest.raises(BudgetExceeded, match="operation cancelled: actual cost limit exceeded"):
        _ENVIRONMENT.compile(_NESTED).evaluate({"l": list(range(1000)), "s": ""}, budget)
    assert 1_000_000 < budget.spent < 1_010_000


def test_error_inside_or_does_not_hide_that_the_budget_is_spent() -> None:
    with pytest.raises(BudgetExceeded):
        _ENVIRONMENT.compile(f"{_NESTED} || true").evaluate({"l": list(range(1000)), "s": ""}, Budget(), limit=10_000)


def test_evaluation_ends_when_its_time_is_up() -> None:
    budget = Budget(seconds=0.02)
    began = time.monotonic()
    with pytest.raises(BudgetExceeded):
        _ENVIRONMENT.compile(_NESTED).evaluate({"l": list(range(1000)), "s": ""}, budget, limit=10**12)
    assert time.monotonic() - began < 1.0
    assert budget.left < 0


def test_doubling_strings_stay_small() -> None:
    doubled = "s"
    for _ in range(40):
        doubled = f"[{doubled}].map(t, t + t)[0]"
    program = _ENVIRONMENT.compile(f"{doubled} == ''")
    with pytest.raises(BudgetExceeded):
        program.evaluate({"l": [], "s": "x" * 100}, Budget())


def test_pattern_that_backtracks_elsewhere_ends_at_once() -> None:
    began = time.monotonic()
    program = _ENVIRONMENT.compile("s.matches('^(a+)+$')")
    assert program.evaluate({"l": [], "s": "a" * 50_000 + "!"}, Budget()) is False
    assert time.monotonic() - began < 1.0
