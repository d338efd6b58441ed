"""The fields that an applied object claims, and whether it fits its type at all.

Called by the updater for what a client applies, and for what is there while it decides what to remove.
Source: sigs.k8s.io/structured-merge-diff typed/tofieldset.go, validate.go.
"""

from collections.abc import Sequence
from typing import Any

from master.api.apply import path_elements
from master.api.apply.field_sets import EMPTY, SELF, FieldSet, ordered_set
from master.api.apply.path_elements import NoPathElement
from master.api.schema.merge_types import ListType, MapType, MergeType

_MEMBER: FieldSet = {}


class InvalidTyped(ValueError):
    """An object that does not fit its type; says all that is wrong."""


def owned(kind: MergeType, value: Any) -> FieldSet:
    """Every leaf and every item of an object. Raises NoPathElement."""
    return _owned(kind, value) or EMPTY


def _owned(kind: MergeType, value: Any) -> FieldSet | None:
    """The node of a value; None when it claims nothing."""
    if type(value) is dict and kind.map is not None:
        return _MEMBER if kind.map.atomic else _owned_fields(kind.map, value)
    if type(value) is list and kind.list is not None:
        return _MEMBER if kind.list.atomic else _owned_items(kind.list, value)
    if value is None:
        # Whoever has the field counts it; a null is nothing by itself unless it stands for something atomic.
        if kind.map is not None:
            return _MEMBER if kind.map.atomic else None
        if kind.list is not None and not kind.scalar:
            return _MEMBER if kind.list.atomic else None
    return _MEMBER


def _owned_fields(mapping: MapType, value: dict[str, Any]) -> FieldSet | None:
    found: FieldSet = {}
    for name in sorted(value):
        below = value[name]
        declared = mapping.fields.get(name)
        kind = declared or mapping.element
        node = _owned(kind, below) if kind is not None else _MEMBER
        if below is None or below == {} or declared is None:
            node = {SELF: _MEMBER, **node} if node and SELF not in node else _MEMBER if node is None else node
        if node is not None:
            found["f:" + name] = node
    return found or None


def _owned_items(listing: ListType, items: Sequence[Any]) -> FieldSet | None:
    found: dict[str, FieldSet] = {}
    for value in items:
        step = path_elements.item(listing, value)
        if step in found:
            # Duplicates belong together: nobody owns a part of one.
            found[step] = _MEMBER
            continue
        node = _owned(listing.items, value)
        found[step] = {SELF: _MEMBER, **node} if node and SELF not in node else node or _MEMBER
    return ordered_set(found.items()) or None


def check(kind: MergeType, value: Any, *, allow_duplicates: bool = False) -> None:
    """Raises InvalidTyped with Kubernetes' words for an object that does not fit its type."""
    errors: list[str] = []
    _check(kind, value, "", errors, allow_duplicates=allow_duplicates)
    if len(errors) == 1:
        raise InvalidTyped(errors[0])
    if errors:
        raise InvalidTyped("\n".join(["errors:", *(f"  {error}" for error in errors)]))


def _check(kind: MergeType, value: Any, where: str, errors: list[str], *, allow_duplicates: bool) -> None:
    if type(value) is dict and kind.map is not None:
        _check_fields(kind.map, value, where, errors, allow_duplicates=allow_duplicates)
    elif type(value) is list and kind.list is not None:
        _check_items(kind.list, value, where, errors, allow_duplicates=allow_duplicates)
    elif value is not None:
        error = _mismatch(kind, value)
        if error:
            errors.append(f"{where}: {error}" if where else error)


def _mismatch(kind: MergeType, value: Any) -> str:
    """What is wrong with a value that is no container of its type; "" for nothing."""
    text = path_elements.go_value(value)
    if kind.map is not None and not (kind.scalar and not isinstance(value, dict | list)):
        return f"expected map, got &{{{text}}}"
    match kind.scalar:
        case "numeric" if isinstance(value, bool) or not isinstance(value, int | float):
            return f"expected numeric (int or float), got {path_elements.go_type(value)}"
        case "string" if not isinstance(value, str):
            return f"expected string, got &value.valueUnstructured{{Value:{text}}}"
        case "boolean" if not isinstance(value, bool):
            return f"expected boolean, got &{{{text}}}"
        case "untyped" if isinstance(value, dict | list):
            return f"expected any scalar, got &{{{text}}}"
        case "":
            return f"expected list, got &{{{text}}}"
    return ""


def _check_fields(mapping: MapType, value: dict[str, Any], where: str, errors: list[str], *, allow_duplicates: bool) -> None:
    for name, below in value.items():
        kind = mapping.fields.get(name) or mapping.element
        if kind is None:
            errors.append(f"{where}.{name}: field not declared in schema")
        else:
            _check(kind, below, f"{where}.{name}", errors, allow_duplicates=allow_duplicates)


def _check_items(listing: ListType, items: Sequence[Any], where: str, errors: list[str], *, allow_duplicates: bool) -> None:
    seen: set[str] = set()
    for index, value in enumerate(items):
        step = f"[{index}]"
        if not listing.atomic:
            try:
                element = path_elements.item(listing, value)
            except NoPathElement as error:
                why = f"element {index}: {error}"
                errors.append(f"{where}: {why}" if where else why)
                return
            step = path_elements.describe((element,))
            if element in seen and not allow_duplicates:
                why = f"duplicate entries for key {step}"
                errors.append(f"{where}: {why}" if where else why)
            seen.add(element)
        _check(listing.items, value, f"{where}{step}", errors, allow_duplicates=allow_duplicates)
