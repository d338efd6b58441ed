"""What is wrong with literals that functions take: patterns, durations and times are checked when they are compiled."""

from collections.abc import Iterator

from master.api.cel.errors import EvaluationError, Issue
from master.api.cel.library.times import parse_duration, parse_timestamp
from master.api.cel.regular_expressions import InvalidPattern, compiled
from master.api.cel.syntax import Call, Comprehension, Expr, ListExpr, Literal, MapExpr, OptionalMap, Select


def check_literals(tree: Expr, issues: list[Issue]) -> None:
    """Adds an issue for each."""
    for node in walk(tree):
        if not isinstance(node, Call) or not node.arguments:
            continue
        argument = node.arguments[-1]
        if not isinstance(argument, Literal) or not isinstance(argument.value, str):
            continue
        try:
            if node.function == "matches":
                compiled(argument.value)
            elif node.function == "duration" and node.target is None:
                parse_duration(argument.value)
            elif node.function == "timestamp" and node.target is None:
                parse_timestamp(argument.value)
        except (InvalidPattern, EvaluationError):
            issues.append(Issue(argument.position, f"invalid {node.function} argument"))


def walk(node: Expr) -> Iterator[Expr]:
    """A node and all below it."""
    waiting: list[Expr | None] = [node]
    while waiting:
        current = waiting.pop()
        if current is None:
            continue
        yield current
        match current:
            case Select():
                waiting.append(current.operand)
            case Call():
                waiting += [current.target, *current.arguments]
            case ListExpr():
                waiting += current.elements
            case MapExpr():
                waiting += [part for key, value, _ in current.entries for part in (key, value)]
            case Comprehension():
                waiting += [current.range, current.condition, current.step]
            case OptionalMap():
                waiting += [current.target, current.step]
