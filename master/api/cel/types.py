"""CEL's types, as the checker sees them. Immutable; compared by structure, objects by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an object type. `property`: its key in the object's JSON, where expressions must escape it."""

    type: "Type"
    property: str


@dataclass(frozen=True, slots=True)
class Type:
    """`kind`: what sort of type; `name`: of an object, opaque or parameter type; `params`: a list's element, a map's two."""

    kind: str
    name: str = ""
    params: "tuple[Type, ...]" = ()
    fields: Mapping[str, Field] = field(default_factory=dict, compare=False, repr=False)

    def __str__(self) -> str:
        """The type as error messages name it."""
        match self.kind:
            case "list" | "map" | "type" if self.params:
                return f"{self.kind}({', '.join(map(str, self.params))})"
            case "opaque" if self.params:
                return f"{self.name}({', '.join(map(str, self.params))})"
            case "object" | "opaque" | "param":
                return self.name
        return self.kind


DYN = Type("dyn")
NULL = Type("null")
BOOL = Type("bool")
INT = Type("int")
UINT = Type("uint")
DOUBLE = Type("double")
STRING = Type("string")
BYTES = Type("bytes")
TIMESTAMP = Type("timestamp")
DURATION = Type("duration")
#: What an expression with an error has, so that one error does not bring others.
ERROR = Type("error")

PRIMITIVES = {t.kind: t for t in (DYN, NULL, BOOL, INT, UINT, DOUBLE, STRING, BYTES, TIMESTAMP, DURATION)}


def list_of(element: Type) -> Type:
    return Type("list", params=(element,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", params=(key, value))


def type_of(inner: Type) -> Type:
    return Type("type", params=(inner,))


def optional_of(inner: Type) -> Type:
    return Type("opaque", "optional_type", (inner,))


def opaque(name: str) -> Type:
    return Type("opaque", name)


def object_type(name: str, fields: Mapping[str, Field]) -> Type:
    return Type("object", name, (), fields)


def is_optional(one: Type) -> bool:
    return one.kind == "opaque" and one.name == "optional_type"


def is_loose(one: Type) -> bool:
    """A type that the checker lets pass: only the evaluation knows."""
    return one.kind in ("dyn", "error")


def assignable(to: Type, value: Type) -> bool:
    """Whether a value of one type may stand where the other is wanted."""
    if is_loose(to) or is_loose(value):
        return True
    if value.kind == "null":
        return to.kind in ("null", "object", "opaque", "timestamp", "duration")
    if to.kind == "null":
        return value.kind in ("object", "opaque", "timestamp", "duration")
    if to.kind == "type" and value.kind == "type":
        return True
    if to.kind != value.kind or to.name != value.name or len(to.params) != len(value.params):
        return False
    return all(assignable(a, b) for a, b in zip(to.params, value.params, strict=True))


def joined(first: Type, second: Type) -> Type:
    """The more general of two types that are assignable to each other."""
    if is_loose(first) or second.kind == "null":
        return first
    if is_loose(second) or first.kind == "null":
        return second
    if first.params and len(first.params) == len(second.params):
        params = tuple(joined(a, b) for a, b in zip(first.params, second.params, strict=True))
        return Type(first.kind, first.name, params, first.fields)
    return first


def unify(formal: Type, actual: Type, bound: dict[str, Type]) -> bool:
    """Whether an argument fits a parameter; what its type parameters stand for is noted in `bound`."""
    if formal.kind == "param":
        known = bound.get(formal.name)
        if known is None:
            bound[formal.name] = actual
            return True
        if not assignable(known, actual):
            return False
        bound[formal.name] = joined(known, actual)
        return True
    if formal.params and not is_loose(actual) and formal.kind != "type":
        if actual.kind != formal.kind or actual.name != formal.name or len(actual.params) != len(formal.params):
            return actual.kind == "null" and formal.kind == "opaque"
        return all(unify(f, a, bound) for f, a in zip(formal.params, actual.params, strict=True))
    return assignable(formal, actual)


def substituted(formal: Type, bound: Mapping[str, Type]) -> Type:
    """A type with its parameters replaced; one that is not known is dyn."""
    if formal.kind == "param":
        return bound.get(formal.name, DYN)
    if not formal.params:
        return formal
    params = tuple(substituted(one, bound) for one in formal.params)
    return Type(formal.kind, formal.name, params, formal.fields)
