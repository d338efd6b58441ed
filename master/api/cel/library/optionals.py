"""Optional values: `optional.of(x)`, `x.hasValue()`, `x.orValue(y)`, … (cel-go's library of optional types)."""

from typing import Any

from master.api.cel.declarations import define
from master.api.cel.errors import EvaluationError
from master.api.cel.values import ABSENT, Present


def _of_non_zero(value: Any) -> Any:
    zero = value is None or value is False or (not isinstance(value, bool) and value in (0, "", b"", [], {}))
    return ABSENT if zero else Present(value)


def _value(optional: Any) -> Any:
    if isinstance(optional, Present):
        return optional.value
    raise EvaluationError("optional.none() dereference")


OVERLOADS = (
    define("optional.of", "(A) -> optional(A)", Present),
    define("optional.ofNonZeroValue", "(A) -> optional(A)", _of_non_zero),
    define("optional.none", "() -> optional(A)", lambda: ABSENT),
    define("hasValue", "optional(A).() -> bool", lambda optional: isinstance(optional, Present)),
    define("value", "optional(A).() -> A", _value),
    define("or", "optional(A).(optional(A)) -> optional(A)", lambda a, b: a if isinstance(a, Present) else b),
    define("orValue", "optional(A).(A) -> A", lambda a, b: a.value if isinstance(a, Present) else b),
)
