"""Regular expressions: matches, find, findAll. RE2, as in Go: linear in the text."""

from master.api.cel import cost
from master.api.cel.declarations import define
from master.api.cel.errors import EvaluationError
from master.api.cel.regular_expressions import InvalidPattern, compiled

#: So many matches are told; each takes some microseconds.
_MOST_MATCHES = 100_000


def _matches(text: str, pattern: str) -> bool:
    try:
        return compiled(pattern).search(text) is not None
    except InvalidPattern as error:
        raise EvaluationError(str(error)) from error


def _find(text: str, pattern: str) -> str:
    try:
        match = compiled(pattern).search(text)
    except InvalidPattern as error:
        raise EvaluationError(f"Illegal regex: {error}") from error
    return match.group() if match else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found: list[str] = []
    if limit == 0:
        return found
    try:
        for match in compiled(pattern).finditer(text):
            found.append(match.group())
            if len(found) == limit:
                break
            if len(found) > _MOST_MATCHES:
                raise EvaluationError("result too large")
    except InvalidPattern as error:
        raise EvaluationError(f"Illegal regex: {error}") from error
    return found


OVERLOADS = (
    define("matches", "string.(string) -> bool", _matches, cost.of_regex),
    define("matches", "(string, string) -> bool", _matches, cost.of_regex),
    define("find", "string.(string) -> string", _find, cost.of_regex),
    define("findAll", "string.(string) -> list(string)", _find_all, cost.of_regex),
    define("findAll", "string.(string, int) -> list(string)", _find_all, cost.of_regex),
)
