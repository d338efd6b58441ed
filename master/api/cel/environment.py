"""Environment: what expressions may name and call; it compiles them to Programs.

    rules = Environment({"self": INT})
    program = rules.compile("self > 3")            # CompileError lists what is wrong
    program.evaluate({"self": 4}, Budget())        # True; EvaluationError, BudgetExceeded

An environment is cheap beside the functions, which all share; a program may be used from any thread, several at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from master.api.cel.checker import Checker
from master.api.cel.cost import PER_CALL_LIMIT, Budget, Meter
from master.api.cel.declarations import Functions, Overload
from master.api.cel.errors import CompileError
from master.api.cel.evaluator import UNSET, Closure, Evaluator
from master.api.cel.library import OPAQUE_NAMES, OVERLOADS
from master.api.cel.literals import check_literals
from master.api.cel.parser import parse
from master.api.cel.syntax import Expr
from master.api.cel.types import Type


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression. `type`: of its result; `uses`: the variables that it names; `tree`: what it was made of."""

    source: str
    type: Type
    uses: frozenset[str]
    tree: Expr
    _closure: Closure
    _variables: tuple[str, ...]
    _slots: int

    def evaluate(self, variables: Mapping[str, Any], budget: Budget, *, limit: int = PER_CALL_LIMIT) -> Any:
        """The value. What it cost is added to the budget, also when it fails.

        `variables` without one of the environment's: naming that is an error. Raises EvaluationError, BudgetExceeded.
        """
        slots = [variables.get(name, UNSET) for name in self._variables]
        slots += [None] * (self._slots - len(slots))
        meter = Meter(slots, limit=limit, deadline=budget.deadline)
        try:
            return self._closure(meter)
        finally:
            budget.spent += meter.cost


class Environment:
    """`variables`: name → type. `functions`, `names`: what comes beside the libraries, and the classes of its types."""

    def __init__(
        self,
        variables: Mapping[str, Type],
        *,
        functions: Iterable[Overload] = (),
        names: Mapping[type, str] | None = None,
    ) -> None:
        self._variables = dict(variables)
        more = tuple(functions)
        self._functions = Functions((*OVERLOADS, *more)) if more else _library()
        self._names = {**OPAQUE_NAMES, **(names or {})}

    def compile(self, source: str) -> Program:
        """Raises CompileError."""
        tree = parse(source)
        checker = Checker(self._functions, self._variables)
        found = checker.check(tree)
        if not checker.issues:
            check_literals(tree, checker.issues)
        if checker.issues:
            raise CompileError(source, checker.issues)
        names = tuple(self._variables)
        evaluator = Evaluator({name: index for index, name in enumerate(names)}, self._names)
        closure = evaluator.compile(tree)
        return Program(source, found, frozenset(checker.used), tree, closure, names, evaluator.size)


@lru_cache(maxsize=1)
def _library() -> Functions:
    return Functions(OVERLOADS)
