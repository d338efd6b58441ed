"""Functions as the libraries declare them: `define("contains", "string.(string) -> bool", implementation)`.

A signature names parameters and the result; before the dot stands the type of the target of a method. Single capitals are
type parameters. Names with a dot, and `Format`-like ones, are opaque types (`kubernetes.Quantity`).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from master.api.cel.types import PRIMITIVES, Type, list_of, map_of, opaque, optional_of, type_of
from master.api.cel.values import ABSENT, Duration, Present, TypeValue, Uint

#: What a call costs: of its arguments (the target first) and its result.
Cost = Callable[[tuple[Any, ...], Any], int]


@dataclass(frozen=True, slots=True)
class Overload:
    """One form of a function. `implementation` takes the target first; it raises EvaluationError."""

    function: str
    parameters: tuple[Type, ...]
    result: Type
    member: bool
    implementation: Callable[..., Any]
    cost: Cost | None = None


class Functions:
    """Overloads by the name of their function."""

    def __init__(self, overloads: Iterable[Overload]) -> None:
        self._by_name: dict[str, list[Overload]] = {}
        for overload in overloads:
            self._by_name.setdefault(overload.function, []).append(overload)

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def of(self, name: str) -> list[Overload]:
        return self._by_name.get(name, [])


def define(function: str, signature: str, implementation: Callable[..., Any], cost: Cost | None = None) -> Overload:
    """One overload of a function."""
    head, _, result = signature.partition("->")
    head = head.strip()
    opening = head.index("(") if not head.endswith("()") else len(head) - 2
    if ".(" in head or head.endswith(".()"):
        opening = head.index(".(")
        target, listed, member = head[:opening], head[opening + 2 : -1], True
        parameters = (parse_type(target), *_types(listed))
    else:
        member = False
        parameters = _types(head[opening + 1 : -1])
    return Overload(function, tuple(parameters), parse_type(result), member, implementation, cost)


def parse_type(text: str) -> Type:
    """A type as a signature writes it."""
    text = text.strip()
    if text in PRIMITIVES:
        return PRIMITIVES[text]
    if re.fullmatch("[A-Z]", text):
        return Type("param", text)
    name, _, rest = text.partition("(")
    inner = _types(rest[:-1]) if rest else ()
    match name:
        case "list":
            return list_of(*inner)
        case "map":
            return map_of(*inner)
        case "optional":
            return optional_of(*inner)
        case "type":
            return type_of(*inner)
    return opaque(text)


def _types(listed: str) -> tuple[Type, ...]:
    parts: list[str] = []
    depth = 0
    for piece in re.split(r"([(),])", listed):
        if piece == "," and depth == 0:
            parts.append("")
            continue
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if not parts:
            parts.append("")
        parts[-1] += piece
    return tuple(parse_type(part) for part in parts if part.strip())


def name_of(value: Any, names: Mapping[type, str]) -> str:
    """The type that `type(value)` gives. `names`: of opaque types by their classes."""
    match value:
        case None:
            return "null_type"
        case bool():
            return "bool"
        case Uint():
            return "uint"
        case int():
            return "int"
        case float():
            return "double"
        case str():
            return "string"
        case bytes():
            return "bytes"
        case datetime():
            return "google.protobuf.Timestamp"
        case Duration():
            return "google.protobuf.Duration"
        case list():
            return "list"
        case dict():
            return "map"
        case TypeValue():
            return "type"
        case Present():
            return "optional_type"
    return "optional_type" if value is ABSENT else names.get(type(value), type(value).__name__)


def matcher(wanted: Type, names: Mapping[type, str]) -> Callable[[Any], bool]:
    """Whether a value is of a type, as far as overloads need to be told apart."""
    match wanted.kind:
        case "param" | "dyn" | "error":
            return lambda value: True
        case "bool":
            return lambda value: isinstance(value, bool)
        case "int":
            return lambda value: type(value) is int
        case "list":
            return lambda value: isinstance(value, list)
        case "map" | "object":
            return lambda value: isinstance(value, dict)
        case "opaque" if wanted.name == "optional_type":
            return lambda value: isinstance(value, Present) or value is ABSENT
        case "opaque":
            classes = tuple(cls for cls, name in names.items() if name == wanted.name)
            return lambda value: isinstance(value, classes)
    cls = {
        "null": type(None), "uint": Uint, "double": float, "string": str, "bytes": bytes, "timestamp": datetime,
        "duration": Duration, "type": TypeValue,
    }[wanted.kind]  # fmt: skip
    return lambda value: isinstance(value, cls)


#: Names of types that expressions may use as values, as in `type(x) == string`.
TYPE_NAMES: Mapping[str, str] = {
    "bool": "bool", "int": "int", "uint": "uint", "double": "double", "string": "string", "bytes": "bytes", "list": "list",
    "map": "map", "null_type": "null_type", "type": "type", "optional_type": "optional_type",
    "google.protobuf.Timestamp": "google.protobuf.Timestamp", "google.protobuf.Duration": "google.protobuf.Duration",
}  # fmt: skip
