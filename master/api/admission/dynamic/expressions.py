"""Expressions: a list of CEL sources, compiled together and evaluated in order under one budget. Imported when first used."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from master.api.admission.dynamic.variables import environment
from master.api.cel.cost import Budget
from master.api.cel.environment import Environment, Program
from master.api.cel.errors import BudgetExceeded, CompileError, EvaluationError
from master.api.cel.types import Type


@dataclass(frozen=True, slots=True)
class Outcome:
    """`error` "": it has a value."""

    value: Any = None
    error: str = ""


class Expressions:
    """What does not compile has its error as outcome."""

    def __init__(
        self, sources: Sequence[str], *, has_params: bool = False, variables: Mapping[str, Type] | None = None
    ) -> None:
        with_all = environment(has_params=has_params, variables=variables)
        self._programs = [(source, compiled(with_all, source)) for source in sources]

    def evaluate(self, variables: Mapping[str, Any], budget: Budget) -> Iterator[Outcome]:
        for source, program in self._programs:
            yield evaluated(source, program, variables, budget)


def compiled(with_all: Environment, source: str) -> Program | str:
    """A program, or what is wrong with the source."""
    try:
        return with_all.compile(source)
    except CompileError as error:
        return f"compilation failed: {error}"


def evaluated(source: str, program: Program | str, variables: Mapping[str, Any], budget: Budget) -> Outcome:
    """The value of one, or why there is none, as Kubernetes says it."""
    if isinstance(program, str):
        return Outcome(error=f"compilation error: {program}")
    if budget.left < 0:
        return Outcome(error="validation failed due to running out of cost budget, no further validation rules will be run")
    try:
        return Outcome(program.evaluate(variables, budget))
    except EvaluationError as error:
        return Outcome(error=f"expression '{source}' resulted in error: {error}")
    except BudgetExceeded as error:
        return Outcome(error=f"expression '{source}' resulted in error: {error}")
