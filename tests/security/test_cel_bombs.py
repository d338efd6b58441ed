"""Expressions made to cost: who writes a rule, or the object that it reads, holds neither the loop nor a thread for long."""

import asyncio
import time
from typing import Any

import pytest

from master.api.cel.cost import Budget
from master.api.cel.environment import Environment
from master.api.cel.errors import BudgetExceeded, EvaluationError
from master.api.cel.types import DYN, INT, STRING, list_of

ENVIRONMENT = Environment({"l": list_of(INT), "s": STRING, "d": DYN})
#: Wall-clock seconds with others on the machine; undefended, each case takes minutes, or gigabytes.
LONGEST_CALL = 10.0
LONGEST_HOLD = 1.0


def doubled(times: int) -> str:
    """A list of two lists that are one list of two lists …: small in memory, 2^times to walk through."""
    source = "[1]"
    for _ in range(times):
        source = f"[{source}].map(t, [t, t])[0]"
    return source


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


BOMBS: list[tuple[str, dict[str, Any]]] = [
    (f"{doubled(25)} == {doubled(25)}", {}),
    (f"{doubled(25)} != {doubled(25)}", {}),
    (f"{doubled(25)} in [{doubled(25)}]", {}),
    (f"sets.contains([{doubled(25)}], [{doubled(25)}])", {}),
    (f"[{doubled(25)}].indexOf({doubled(25)}) == 0", {}),
    (f"'%s'.format([{doubled(25)}]).size() > 0", {}),
    ("l.map(x, '%s%s%s%s%s%s%s%s'.format([s,s,s,s,s,s,s,s])).size() > 0", {"l": list(range(2000)), "s": "a" * 1_000_000}),
    ("l.map(x, s.substring(0, 90).replace('a', s.substring(0, 99000))).size() > 0", {"l": [1] * 2000, "s": "a" * 1_000_000}),
    ("sets.equivalent(l, l)", {"l": list(range(300_000))}),
    ("l.exists_one(a, l.exists_one(b, a == b))", {"l": list(range(300_000))}),
]
#: What ends with an error of the expression: for whoever wrote the object, not for the master.
ODDITIES: list[tuple[str, dict[str, Any]]] = [
    ("s.findAll('').size() > 0", {"s": "a" * 3_000_000}),
    ("url(s).getQuery().size() > 0", {"s": "https://a/?" + "a=b&" * 750_000}),
    ("quantity(s).isInteger()", {"s": "9" * 3_000_000}),
    ("'%s'.format([d]).size() > 0", {"d": nested(5_000)}),
    ("sets.contains([d], [d])", {"d": nested(5_000)}),
    ("d == [d]", {"d": nested(5_000)}),
]


#: What is quadratic or worse elsewhere, and done at once here.
LINEAR: list[tuple[str, dict[str, Any]]] = [
    ("s.lastIndexOf(s.substring(0, 400000) + 'b' + s.substring(0, 400000)) == -1", {"s": "a" * 2_000_000}),
    ("!s.matches('^(a+)+$')", {"s": "a" * 2_000_000 + "!"}),
    ("s.lowerAscii().upperAscii().size() == 3000000", {"s": "é" * 3_000_000}),
]


async def measured(source: str, variables: dict[str, Any]) -> tuple[BaseException | None, float, float]:
    """How an evaluation in a thread ended, how long it took, and the longest time for which the loop was held."""
    longest = 0.0
    began = time.monotonic()

    def evaluate() -> BaseException | None:
        values = {"l": [], "s": "", "d": None, **variables}
        try:
            ENVIRONMENT.compile(source).evaluate(values, Budget())
        except (BudgetExceeded, EvaluationError) as error:
            return error
        return None

    ended = asyncio.get_running_loop().run_in_executor(None, evaluate)
    while not ended.done():
        before = time.monotonic()
        await asyncio.sleep(0.005)
        longest = max(longest, time.monotonic() - before)
    return await ended, time.monotonic() - began, longest


@pytest.mark.parametrize(("source", "variables"), BOMBS, ids=range(len(BOMBS)))
async def test_a_bomb_is_stopped_and_holds_nobody(source: str, variables: dict[str, Any]) -> None:
    error, took, held = await measured(source, variables)
    assert isinstance(error, BudgetExceeded)
    assert took < LONGEST_CALL
    assert held < LONGEST_HOLD


@pytest.mark.parametrize(("source", "variables"), ODDITIES, ids=range(len(ODDITIES)))
async def test_what_a_library_cannot_work_with_is_an_error_of_the_expression(source: str, variables: dict[str, Any]) -> None:
    error, took, held = await measured(source, variables)
    assert isinstance(error, EvaluationError)
    assert took < LONGEST_CALL
    assert held < LONGEST_HOLD


@pytest.mark.parametrize(("source", "variables"), LINEAR, ids=range(len(LINEAR)))
async def test_a_long_text_is_gone_through_once(source: str, variables: dict[str, Any]) -> None:
    error, took, held = await measured(source, variables)
    assert error is None
    assert took < LONGEST_CALL
    assert held < LONGEST_HOLD


def test_what_costs_little_keeps_its_value() -> None:
    for source, expected in (
        ("'ÀbC'.lowerAscii() + 'ÀbC'.upperAscii()", "ÀbcÀBC"),
        ("'hello mellow'.lastIndexOf('ell')", 7),
        ("'hello mellow'.lastIndexOf('ell', 6)", 1),
        ("'abc'.lastIndexOf('x')", -1),
        ("'aaa'.lastIndexOf('aa')", 1),
        ("[[1, 2], [3]] == [[1, 2], [3]] && [1] in [[2], [1]]", True),
        ("'%s %d'.format([[1, {'a': 'b'}], 2])", "[1, {a: b}] 2"),
    ):
        assert ENVIRONMENT.compile(source).evaluate({"l": [], "s": "", "d": None}, Budget()) == expected
