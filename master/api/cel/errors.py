"""What goes wrong with an expression when it is compiled or evaluated. The words are cel-go's, as Kubernetes shows them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Issue:
    """One error of an expression; `position` counts code points from its start."""

    position: int
    message: str


class CompileError(ValueError):
    """The expression is wrong; the text lists every issue with the line where it is."""

    def __init__(self, source: str, issues: list[Issue]) -> None:
        self.issues = sorted(issues, key=lambda issue: issue.position)
        super().__init__("\n".join(_shown(source, issue) for issue in self.issues))


class EvaluationError(ValueError):
    """A value for which the expression has no result: no such key, division by zero, …"""


class BudgetExceeded(Exception):
    """The evaluation cost more than it may; it was stopped. Not absorbed by `||` and `&&`."""

    def __init__(self) -> None:
        super().__init__("operation cancelled: actual cost limit exceeded")


def _shown(source: str, issue: Issue) -> str:
    before = source[: issue.position]
    line = before.count("\n")
    column = len(before) - (before.rfind("\n") + 1)
    text = source.split("\n")[line].replace("\t", " ")
    return f"ERROR: <input>:{line + 1}:{column + 1}: {issue.message}\n | {text}\n | {'.' * column}^"
