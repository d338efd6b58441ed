"""The syntax tree of an expression. The checker notes on each node its type, and on calls which overloads may apply."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Union

from master.api.cel.types import DYN, Type

if TYPE_CHECKING:
    from master.api.cel.declarations import Overload


@dataclass(slots=True, kw_only=True)
class _Node:
    """`position`: where errors point, in code points."""

    position: int
    type: Type = DYN


@dataclass(slots=True)
class Literal(_Node):
    value: Any


@dataclass(slots=True)
class Ident(_Node):
    name: str


@dataclass(slots=True)
class Select(_Node):
    """`operand.field`; `test` for has(), `optional` for `operand.?field`. `property`: its key in JSON, set by the checker."""

    operand: "Expr"
    field: str
    test: bool = False
    optional: bool = False
    property: str = ""
    variable: str = ""
    """Set by the checker when the whole selection names a variable, as `a.b` may."""


@dataclass(slots=True)
class Call(_Node):
    """A function, method (`target`) or operator (`_+_`)."""

    function: str
    target: "Expr | None"
    arguments: "list[Expr]"
    overloads: "list[Overload]" = field(default_factory=list)


@dataclass(slots=True)
class ListExpr(_Node):
    """`optional`: indices of the elements written `?x`."""

    elements: "list[Expr]"
    optional: frozenset[int] = frozenset()


@dataclass(slots=True)
class MapExpr(_Node):
    entries: "list[tuple[Expr, Expr, bool]]"


@dataclass(slots=True)
class StructExpr(_Node):
    name: str
    fields: "list[tuple[int, str, Expr, bool]]"


@dataclass(slots=True)
class Comprehension(_Node):
    """A macro over a list or map. `second` "": one variable. `condition`: of all, exists, filter and the optional one of map.

    `step`: what map and the transforms make.
    """

    macro: str
    range: "Expr"
    first: str
    second: str
    condition: "Expr | None"
    step: "Expr | None"


@dataclass(slots=True)
class OptionalMap(_Node):
    """`target.optMap(name, step)`; `flat` for optFlatMap."""

    target: "Expr"
    name: str
    step: "Expr"
    flat: bool


Expr = Union[Literal, Ident, Select, Call, ListExpr, MapExpr, StructExpr, Comprehension, OptionalMap]  # noqa: UP007
