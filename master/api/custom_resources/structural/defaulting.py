"""Defaulting: absent fields get the default of their schema, from the outside to the inside.

A null where none is allowed counts as absent: it is dropped, or replaced by the default.
"""

import copy
from typing import Any

from master.api.custom_resources.structural.schema import (
    META_FIELDS,
    Json,
    additional_of,
    is_embedded,
    items_of,
    properties_of,
)


def default_object(obj: Json, schema: Json) -> None:
    """A whole object, in place; apiVersion, kind and metadata stay as they are."""
    _fields(obj, schema, embedded=True)


def default_value(value: Any, schema: Json) -> None:
    """The value of a field, in place."""
    if isinstance(value, dict):
        _fields(value, schema, embedded=is_embedded(schema))
    elif isinstance(value, list):
        items = items_of(schema)
        if items is None:
            return
        for index, item in enumerate(value):
            if item is None and not items.get("nullable") and items.get("default") is not None:
                value[index] = copy.deepcopy(items["default"])
            default_value(value[index], items)


def _fields(value: Json, schema: Json, *, embedded: bool) -> None:
    properties = properties_of(schema)
    for key, field in properties.items():
        if embedded and key in META_FIELDS:
            continue
        if key in value and value[key] is None and not field.get("nullable"):
            del value[key]
        if key not in value and field.get("default") is not None:
            value[key] = copy.deepcopy(field["default"])
        if key in value:
            default_value(value[key], field)
    additional = additional_of(schema)
    if additional is None:
        return
    for key in list(value):
        if key in properties or (embedded and key in META_FIELDS):
            continue
        if value[key] is None and not additional.get("nullable"):
            if additional.get("default") is None:
                del value[key]
                continue
            value[key] = copy.deepcopy(additional["default"])
        default_value(value[key], additional)
