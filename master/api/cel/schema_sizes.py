"""How large the values of a schema may be, for the estimate of costs (k8s.io/apiserver pkg/cel/common/schemas.go)."""

from typing import Any

from master.api.cel.estimate import Sized
from master.api.cel.schema_types import escaped

Json = dict[str, Any]

#: What fits into one request, in bytes.
_REQUEST = 3 * 1024 * 1024
_STRINGS = {"duration": (32, 3), "date": (12, 12), "date-time": (32, 21)}
_METADATA = Sized(1, 2, {"name": Sized(_REQUEST - 2, 2), "generateName": Sized(_REQUEST - 2, 2)})


def size_of_schema(schema: Json, *, is_root: bool = False) -> Sized | None:
    """The size of what a schema describes; None when its type is not known."""
    if schema.get("x-kubernetes-int-or-string"):
        longest = schema.get("maxLength")
        return Sized(_REQUEST - 2 if longest is None else max(longest, 0) * 4, 1)
    match schema.get("type"):
        case "array":
            items = schema.get("items")
            element = size_of_schema(items) if isinstance(items, dict) else None
            if element is None:
                return None
            return Sized(_bounded(schema.get("maxItems"), (_REQUEST - 2) // (element.least_bytes + 1)), 2, element=element)
        case "object":
            return _object(schema, is_root=is_root)
        case "string":
            return _string(schema)
        case "boolean":
            return Sized(0, 4)
        case "number" | "integer":
            return Sized(0, 1)
    return None


def cardinality(sized: Sized) -> int:
    """How often such a value may be in one object at most."""
    return _REQUEST // (sized.least_bytes + 1)


def _bounded(limit: int | None, otherwise: int) -> int:
    return otherwise if limit is None else max(limit, 0)


def _object(schema: Json, *, is_root: bool) -> Sized | None:
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        values = size_of_schema(additional)
        if values is None:
            return None
        return Sized(_bounded(schema.get("maxProperties"), (_REQUEST - 2) // (values.least_bytes + 6)), 2, element=values)
    fields: dict[str, Sized] = {}
    least = 2
    required = set(schema.get("required") or ())
    for name, child in (schema.get("properties") or {}).items():
        found = size_of_schema(child)
        if found is None:
            continue
        field_name = escaped(name)
        if field_name is not None:
            fields[field_name] = found
        if name in required and child.get("default") is None:
            least += len(name) + found.least_bytes + 4
    if is_root or schema.get("x-kubernetes-embedded-resource"):
        text = Sized(_REQUEST - 2, 2)
        fields |= {"apiVersion": text, "kind": text, "metadata": _METADATA}
    return Sized(0, least, fields)


def _string(schema: Json) -> Sized:
    form, longest = schema.get("format") or "", schema.get("maxLength")
    if form in _STRINGS:
        return Sized(*_STRINGS[form])
    if form == "byte":
        return Sized(_bounded(longest, _REQUEST - 2), 2)
    if longest is not None:
        return Sized(max(longest, 0) * 4, 2)
    if schema.get("enum"):
        return Sized(max((len(value) for value in schema["enum"] if isinstance(value, str)), default=0), 2)
    return Sized(_REQUEST - 2, 2)
