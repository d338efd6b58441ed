"""x-kubernetes-list-type: elements of sets differ, and so do the keys of the elements of maps."""

from collections.abc import Callable
from typing import Any

import orjson

from master.api.custom_resources.structural.schema import Json, additional_of, items_of, properties_of
from master.api.kinds.rules.field_errors import duplicate, invalid, keyed
from master.client.errors import Cause


def validate_list_types(value: Any, schema: Json, path: str = "") -> list[Cause]:
    """Every element that stands in its list twice."""
    causes: list[Cause] = []
    _walk(value, schema, path, causes)
    return causes


def _walk(value: Any, schema: Json, path: str, causes: list[Cause]) -> None:
    if isinstance(value, dict):
        properties, additional = properties_of(schema), additional_of(schema)
        for key, item in value.items():
            if not isinstance(item, dict | list):
                continue
            if key in properties:
                _walk(item, properties[key], f"{path}.{key}" if path else key, causes)
            elif additional is not None:
                _walk(item, additional, keyed(path, key), causes)
    elif isinstance(value, list):
        match schema.get("x-kubernetes-list-type"):
            case "set":
                _unique(value, path, causes, lambda item: item)
            case "map":
                _map(value, schema.get("x-kubernetes-list-map-keys") or (), path, causes)
        items = items_of(schema)
        if items is not None:
            for index, item in enumerate(value):
                _walk(item, items, f"{path}[{index}]", causes)


def _map(value: list[Any], keys: Any, path: str, causes: list[Cause]) -> None:
    for index, item in enumerate(value):
        if item is not None and not isinstance(item, dict):
            causes.append(invalid(f"{path}[{index}]", item, "must be an object for an array of list-type map"))
            return
    _unique(value, path, causes, lambda item: {key: item[key] for key in keys if key in item} if item else {})


def _unique(value: list[Any], path: str, causes: list[Cause], key_of: Callable[[Any], Any]) -> None:
    seen: dict[bytes, int] = {}
    for index, item in enumerate(value):
        key = key_of(item)
        encoded = orjson.dumps(key, option=orjson.OPT_SORT_KEYS)
        seen[encoded] = seen.get(encoded, 0) + 1
        if seen[encoded] == 2:
            causes.append(duplicate(f"{path}[{index}]", key))
