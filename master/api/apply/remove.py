"""Takes fields and items out of a value.

Source: sigs.k8s.io/structured-merge-diff typed/remove.go.
"""

from typing import Any

from master.api.apply import path_elements
from master.api.apply.field_sets import SELF, FieldSet
from master.api.schema.merge_types import ListType, MapType, MergeType


def remove(kind: MergeType, value: Any, fields: FieldSet) -> Any:
    """The value without the members of the set; null when nothing is left of it."""
    if not fields:
        return value
    if type(value) is dict and kind.map is not None:
        return None if kind.map.atomic or not value else _from_map(kind.map, value, fields)
    if type(value) is list and kind.list is not None:
        return None if kind.list.atomic or not value else _from_list(kind.list, value, fields)
    return value


def _from_map(mapping: MapType, value: dict[str, Any], fields: FieldSet) -> dict[str, Any] | None:
    result = {}
    for name, below in value.items():
        node = fields.get("f:" + name)
        if node is None:
            result[name] = below
        elif node and SELF not in node:
            kind = mapping.fields.get(name) or mapping.element
            result[name] = below if kind is None else remove(kind, below, node)
    return result or None


def _from_list(listing: ListType, value: list[Any], fields: FieldSet) -> list[Any] | None:
    result = []
    for item in value:
        node = fields.get(path_elements.item(listing, item))
        if node is None:
            result.append(item)
        elif node and SELF not in node:
            left = remove(listing.items, item, node)
            if left is not None:
                result.append(left)
    return result or None
