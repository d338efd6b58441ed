"""CEL's types and values of what a structural schema describes (k8s.io/apiserver pkg/cel/common/schemas.go).

A field whose type is not known (x-kubernetes-preserve-unknown-fields without a type) cannot be named. Names that are no
identifiers are escaped: `self.__namespace__`, `self.a__dash__b`. JSON is CEL's value as it is, but for times, durations,
bytes, numbers and lists of types set and map: `converter` gives the function that converts, or None where nothing needs to.
"""

import re
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from master.api.cel.errors import EvaluationError
from master.api.cel.lexer import RESERVED
from master.api.cel.library.times import parse_duration, parse_timestamp
from master.api.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    Field,
    Type,
    list_of,
    map_of,
    object_type,
)
from master.api.cel.values import MapList, SetList

Json = dict[str, Any]
Convert = Callable[[Any], Any]

_KEYWORDS = RESERVED | {"true", "false", "null", "in"}
_SYMBOLS = {"__": "__underscores__", "-": "__dash__", ".": "__dot__", "/": "__slash__"}
_METADATA = object_type("metadata", {"name": Field(STRING, "name"), "generateName": Field(STRING, "generateName")})


def escaped(name: str) -> str | None:
    """A property's name in expressions; None for one that cannot be named."""
    if not name or name[0].isdigit():
        return None
    if name in _KEYWORDS:
        return f"__{name}__"
    text = re.sub(r"__|[-./]", lambda match: _SYMBOLS[match.group()], name)
    return text if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text) else None


def type_of_schema(schema: Json, *, name: str = "self", is_root: bool = False) -> Type | None:
    """The type of what a schema describes; None when it is not known. `name`: unique within an environment."""
    if schema.get("x-kubernetes-int-or-string"):
        return DYN
    match schema.get("type"):
        case "array":
            items = schema.get("items")
            element = type_of_schema(items, name=f"{name}.@items") if isinstance(items, dict) else None
            return list_of(element) if element is not None else None
        case "object":
            return _object(schema, name, is_root=is_root)
        case "string":
            return {"byte": BYTES, "date": TIMESTAMP, "date-time": TIMESTAMP, "duration": DURATION}.get(
                schema.get("format") or "", STRING
            )
        case "boolean":
            return BOOL
        case "number":
            return DOUBLE
        case "integer":
            return INT
    return None


def _object(schema: Json, name: str, *, is_root: bool) -> Type | None:
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        values = type_of_schema(additional, name=f"{name}.@values")
        return map_of(STRING, values) if values is not None else None
    fields: dict[str, Field] = {}
    if is_root or schema.get("x-kubernetes-embedded-resource"):
        fields |= {"apiVersion": Field(STRING, "apiVersion"), "kind": Field(STRING, "kind")}
        fields["metadata"] = Field(_METADATA, "metadata")
    for key, property_schema in (schema.get("properties") or {}).items():
        field_name = escaped(key)
        if field_name is None or (key == "metadata" and "metadata" in fields):
            continue
        found = type_of_schema(property_schema, name=f"{name}.{key}")
        if found is not None:
            fields[field_name] = Field(found, key)
    return object_type(name, fields)


def converter(schema: Json) -> Convert | None:
    """The function from JSON to CEL's value; it raises EvaluationError. None: JSON is the value."""
    if schema.get("x-kubernetes-int-or-string"):
        return None
    match schema.get("type"):
        case "array":
            return _list_converter(schema)
        case "object":
            return _object_converter(schema)
        case "string":
            return {"byte": _bytes, "date": _date, "date-time": _time, "duration": _duration}.get(schema.get("format") or "")
        case "number":
            return lambda value: float(value) if type(value) is int else value
        case "integer":
            return lambda value: int(value) if type(value) is float else value
    return None


def _list_converter(schema: Json) -> Convert | None:
    items = schema.get("items")
    each = converter(items) if isinstance(items, dict) else None
    match schema.get("x-kubernetes-list-type"):
        case "set":
            return lambda value: SetList(_all(value, each)) if isinstance(value, list) else value
        case "map":
            keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
            return lambda value: MapList(_all(value, each), keys) if isinstance(value, list) else value
    if each is None:
        return None
    return lambda value: _all(value, each) if isinstance(value, list) else value


def _all(value: list[Any], each: Convert | None) -> list[Any]:
    return value if each is None else [None if item is None else each(item) for item in value]


def _object_converter(schema: Json) -> Convert | None:
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        each = converter(additional)
        if each is None:
            return None
        return lambda value: (
            {key: None if item is None else each(item) for key, item in value.items()} if isinstance(value, dict) else value
        )
    fields = {key: found for key, field in (schema.get("properties") or {}).items() if (found := converter(field))}
    if not fields:
        return None

    def convert(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: fields[key](item) if key in fields and item is not None else item for key, item in value.items()}

    return convert


def _bytes(value: Any) -> Any:
    try:
        return b64decode(value) if isinstance(value, str) else value
    except ValueError as error:
        raise EvaluationError(f"illegal base64 data: {error}") from error


def _date(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    except ValueError as error:
        raise EvaluationError(f'parsing time "{value}" as "2006-01-02": cannot parse') from error


def _time(value: Any) -> Any:
    return parse_timestamp(value.upper()) if isinstance(value, str) else value


def _duration(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else value
