"""What changed between two values of a type: the fields that were added or modified, and those that were removed.

Called by the updater for every write. Equal parts are skipped as wholes, so a small change of a large object is cheap.
Source: sigs.k8s.io/structured-merge-diff typed/compare.go.
"""

from typing import Any, Final

import msgspec

from master.api.apply import path_elements
from master.api.apply.field_sets import EMPTY, SELF, FieldSet, ordered_set
from master.api.schema.merge_types import ListType, MapType, MergeType


class _Absent:
    """No value at all, which is not the same as null."""


ABSENT: Final = _Absent()
_MEMBER: FieldSet = {}
_CONTAINERS = frozenset({dict, list})
#: Nodes that are kept for one type, and keys that one of them has at most.
_FLAT_NODES, _FLAT_KEYS = 64, 16


class Comparison(msgspec.Struct, frozen=True):
    """`changed` are the fields that were added or have another value. No field is in both sets."""

    changed: FieldSet
    removed: FieldSet


def compare(kind: MergeType, old: Any, new: Any) -> Comparison:
    """Two objects of the same type. Raises NoPathElement for a list whose elements have no keys."""
    changed, removed = _both(kind, old, new)
    return Comparison(changed or EMPTY, removed or EMPTY)


def whole(kind: MergeType | None, value: Any) -> FieldSet:
    """The node of a value that is added or removed as a whole: itself and all fields in it."""
    if kind is None:
        return _MEMBER
    if type(value) is dict:
        mapping = kind.map
        if mapping is None or mapping.atomic or not value:
            return _MEMBER
        for part in value.values():
            if type(part) in _CONTAINERS:
                break
        else:
            return _flat(mapping, value)
        fields, element = mapping.fields, mapping.element
        node: FieldSet = {SELF: _MEMBER}
        for name in sorted(value):
            part = value[name]
            node["f:" + name] = whole(fields.get(name) or element, part) if type(part) in _CONTAINERS else _MEMBER
        return node
    if type(value) is list:
        listing = kind.list
        if listing is None or listing.atomic or not value:
            return _MEMBER
        return {SELF: _MEMBER, **_whole_items(listing, value)}
    return _MEMBER


def _flat(mapping: MapType, value: dict[str, Any]) -> FieldSet:
    """The node of an object of scalars. Many have the same keys (variables, ports, conditions), and nodes never change."""
    keys = tuple(value)
    node = mapping.flat.get(keys)
    if node is None:
        node = {SELF: _MEMBER, **{"f:" + name: _MEMBER for name in sorted(keys)}}
        if len(keys) <= _FLAT_KEYS:
            if len(mapping.flat) >= _FLAT_NODES:
                mapping.flat.clear()
            mapping.flat[keys] = node
    return node


def _whole_items(listing: ListType, items: list[Any]) -> FieldSet:
    if len(listing.keys) == 1:
        # Most lists have one key, a name: it needs no look at the element to be ordered.
        key = listing.keys[0]
        named = {name: value for value in items if type(value) is dict and type(name := value.get(key)) is str}
        if len(named) == len(items):
            return {path_elements.named(key, name): whole(listing.items, named[name]) for name in sorted(named)}
    grouped = _grouped(listing, items)
    return ordered_set(
        (step, whole(listing.items, found[0]) if len(found) == 1 else _MEMBER) for step, found in grouped.items()
    )


#: A node of what changed and one of what was removed; None for nothing.
_Nodes = tuple[FieldSet | None, FieldSet | None]


def _both(kind: MergeType, old: Any, new: Any) -> _Nodes:
    """Two values that are there."""
    if type(old) is type(new) and old == new:
        return None, None
    mapping, listing = kind.map, kind.list
    if mapping is not None and _fits(dict, old, new, scalar=bool(kind.scalar)):
        if mapping.atomic or not (old or new):
            return _MEMBER, None
        return _maps(mapping, old or {}, new or {})
    if listing is not None and _fits(list, old, new, scalar=bool(kind.scalar)):
        if listing.atomic or not (old or new):
            return _MEMBER, None
        return _lists(listing, old or [], new or [])
    if type(old) in _SCALARS and type(new) in _SCALARS:
        return (None if _same(old, new) else _MEMBER), None
    return _other_kind(kind, old, new)


def _fits(container: type, old: Any, new: Any, *, scalar: bool) -> bool:
    """Whether both are such a container, or one is and the other null."""
    if type(old) is container:
        return type(new) is container or (new is None and not scalar)
    return type(new) is container and old is None and not scalar


_SCALARS = frozenset({str, int, float, bool, type(None)})


def _same(old: Any, new: Any) -> bool:
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)


def _other_kind(kind: MergeType, old: Any, new: Any) -> _Nodes:
    """A value that became of another kind: modified, and what was or is below it removed or added."""
    removed = {element: node for element, node in whole(kind, old).items() if element != SELF}
    added = {element: node for element, node in whole(kind, new).items() if element != SELF}
    return ({SELF: _MEMBER, **added} if added else _MEMBER), removed or None


def _maps(mapping: MapType, old: dict[str, Any], new: dict[str, Any]) -> _Nodes:
    changed: FieldSet = {}
    removed: FieldSet = {}
    fields, element, embedded = mapping.fields, mapping.element, mapping.embedded
    for name in sorted(new):
        value = new[name]
        below = fields.get(name) or element
        if name in old:
            before = old[name]
        elif name in embedded and type(value) in _CONTAINERS:
            before = type(value)()
        else:
            changed["f:" + name] = whole(below, value) if below is not None else _MEMBER
            continue
        if value is before:
            continue
        if below is None:
            if before != value:
                changed["f:" + name] = _MEMBER
            continue
        more, less = _both(below, before, value)
        if more is not None:
            changed["f:" + name] = more
        if less is not None:
            removed["f:" + name] = less
    for name in sorted(old.keys() - new.keys()):
        below = fields.get(name) or element
        if below is None:
            removed["f:" + name] = _MEMBER
        elif name in embedded and type(old[name]) in _CONTAINERS:
            less = _both(below, old[name], type(old[name])())[1]
            if less is not None:
                removed["f:" + name] = less
        else:
            removed["f:" + name] = whole(below, old[name])
    if len(removed) > 1:
        removed = ordered_set(removed.items())
    return changed or None, removed or None


def _lists(listing: ListType, old: list[Any], new: list[Any]) -> _Nodes:
    changed: dict[str, FieldSet] = {}
    removed: dict[str, FieldSet] = {}
    before, after = _grouped(listing, old), _grouped(listing, new)
    kind = listing.items
    for step in {**before, **after}:
        was, now = before.get(step, []), after.get(step, [])
        if len(was) > 1 and len(now) > 1:
            if was != now:
                changed[step] = _MEMBER
        elif len(was) > 1:
            # Duplicates were owned as one: they make place for what is there now.
            removed[step] = _MEMBER
            if now:
                changed[step] = whole(kind, now[0])
        elif len(now) > 1:
            changed[step] = _MEMBER
            if was:
                removed[step] = whole(kind, was[0])
        elif not was:
            changed[step] = whole(kind, now[0])
        elif not now:
            removed[step] = whole(kind, was[0])
        else:
            more, less = _both(kind, was[0], now[0])
            if more is not None:
                changed[step] = more
            if less is not None:
                removed[step] = less
    return (ordered_set(changed.items()) or None), (ordered_set(removed.items()) or None)


def _grouped(listing: ListType, items: list[Any]) -> dict[str, list[Any]]:
    """Items by their path element; more than one only when a list has duplicates."""
    found: dict[str, list[Any]] = {}
    item = path_elements.item
    for value in items:
        found.setdefault(item(listing, value), []).append(value)
    return found
