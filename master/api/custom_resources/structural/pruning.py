"""Pruning: fields that a schema does not declare are dropped, and reported for field validation."""

from typing import Any

from master.api.custom_resources.structural.schema import (
    META_FIELDS,
    Json,
    additional_of,
    allows_additional,
    is_embedded,
    items_of,
    preserves_unknown,
    properties_of,
)


def prune(obj: Json, schema: Json) -> list[str]:
    """Prune a whole object in place; the paths of what was dropped, sorted ("spec.items[0].x")."""
    dropped: list[str] = []
    _object(obj, schema, "", dropped, embedded=True)
    return sorted(dropped)


def prune_value(value: Any, schema: Json) -> list[str]:
    """Prune the value of a field."""
    dropped: list[str] = []
    _prune(value, schema, "", dropped)
    return dropped


def _prune(value: Any, schema: Json | None, path: str, dropped: list[str]) -> None:
    if isinstance(value, dict):
        _object(value, schema, path, dropped, embedded=schema is not None and is_embedded(schema))
    elif isinstance(value, list):
        if schema is not None and preserves_unknown(schema) and items_of(schema) is None:
            return
        items = items_of(schema) if schema is not None else None
        for index, item in enumerate(value):
            _prune(item, items, f"{path}[{index}]", dropped)


def _object(value: Json, schema: Json | None, path: str, dropped: list[str], *, embedded: bool) -> None:
    preserve = schema is not None and preserves_unknown(schema)
    properties = properties_of(schema) if schema is not None else {}
    allows = schema is not None and allows_additional(schema)
    additional = additional_of(schema) if schema is not None else None
    for key in list(value):
        if embedded and key in META_FIELDS:
            continue
        field = properties.get(key)
        if field is not None:
            _prune(value[key], field, _child(path, key), dropped)
        elif allows:
            if additional is not None:
                _prune(value[key], additional, _child(path, key), dropped)
        elif not preserve:
            dropped.append(_child(path, key))
            del value[key]


def _child(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
