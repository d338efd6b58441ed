"""Sets of field paths, kept as the JSON object that FieldsV1 is: what is stored needs no decoding.

A node maps path elements to nodes. An empty node is a member of the set; a node with content is a member only when it has ".".
The root is a member of nothing: an empty root is the empty set. Sets are ordered as Kubernetes orders them, and never changed.

Source: sigs.k8s.io/structured-merge-diff fieldpath/set.go, serialize.go.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from master.api.apply.path_elements import NoPathElement, Path, canonical, field, ordered
from master.api.schema.merge_types import MergeType

FieldSet = dict[str, Any]

SELF = "."
EMPTY: FieldSet = {}
_MEMBER: FieldSet = {}
#: A managed field set of a client that is nested deeper is no field set of any object.
_MAX_DEPTH = 200


def of(*paths: Path) -> FieldSet:
    """The set of these paths."""
    result: FieldSet = EMPTY
    for path in paths:
        node: FieldSet = {}
        for element in reversed(path):
            node = {element: node}
        result = union(result, node)
    return result


def union(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in either."""
    if not one or one is other:
        return other
    if not other:
        return one
    result = dict(one)
    for element, below in other.items():
        if element in result:
            if element != SELF:
                result[element] = _union_of_nodes(result[element], below)
        else:
            result[element] = below
    return result if len(result) == len(one) else _sorted(result)


def _union_of_nodes(one: FieldSet, other: FieldSet) -> FieldSet:
    if not one:
        return {SELF: _MEMBER, **other} if other and SELF not in other else other
    if not other:
        return one if SELF in one else {SELF: _MEMBER, **one}
    return union(one, other)


def intersection(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in both."""
    result: FieldSet = {}
    for element, below in one.items():
        if element == SELF or element not in other:
            continue
        beside = other[element]
        if not below and not beside:
            result[element] = _MEMBER
            continue
        children = intersection(below, beside) if below and beside else {}
        if _is_member(below) and _is_member(beside):
            result[element] = {SELF: _MEMBER, **children} if children else _MEMBER
        elif children:
            result[element] = children
    return result


def difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in one and not in the other. What is below a member of the other stays."""
    return _difference(one, other, recursive=False) if other else one


def recursive_difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in one and neither in the other nor below a member of it."""
    return _difference(one, other, recursive=True) if other else one


def _difference(one: FieldSet, other: FieldSet, *, recursive: bool) -> FieldSet:
    if one.keys().isdisjoint(other):
        return one
    result: FieldSet = {}
    for element, below in one.items():
        beside = other.get(element)
        if beside is None or element == SELF:
            result[element] = below
            continue
        gone = _is_member(beside)
        if not below:
            if not gone:
                result[element] = below
            continue
        if gone and recursive:
            continue
        left = {name: node for name, node in below.items() if name != SELF}
        if beside:
            left = _difference(left, beside, recursive=recursive)
        if SELF in below and not gone:
            result[element] = {SELF: _MEMBER, **left} if left else _MEMBER
        elif left:
            result[element] = left
    return result


def contains(fields: FieldSet, path: Path) -> bool:
    """Whether a path is a member."""
    node: FieldSet | None = fields
    for element in path:
        node = node.get(element) if node is not None else None
    return node is not None and bool(path) and _is_member(node)


def paths(fields: FieldSet, above: Path = ()) -> Iterator[Path]:
    """All members: those of a node before what is below them."""
    for element, node in fields.items():
        if element != SELF and _is_member(node):
            yield (*above, element)
    for element, node in fields.items():
        if element != SELF and node:
            yield from paths(node, (*above, element))


def with_named_fields(fields: FieldSet, kind: MergeType) -> FieldSet:
    """The set with the declared fields that are on the way to its members."""
    result: FieldSet = {}
    for element, node in fields.items():
        if element == SELF or not node:
            result[element] = node
            continue
        below, named = _below(kind, element)
        children = with_named_fields(node, below) if below is not None else node
        result[element] = {SELF: _MEMBER, **children} if named and SELF not in children else children
    return result


def reconciled(fields: FieldSet, kind: MergeType) -> FieldSet:
    """The set after its schema may have changed: what became atomic since is owned as a whole."""
    result: FieldSet = {}
    changed = False
    for element, node in fields.items():
        below = _below(kind, element)[0] if element != SELF and node else None
        if below is None:
            result[element] = node
            continue
        atomic = (below.map is not None and below.map.atomic) or (below.list is not None and below.list.atomic)
        result[element] = _MEMBER if atomic and not below.scalar else reconciled(node, below)
        changed = changed or result[element] is not node
    return result if changed else fields


def _below(kind: MergeType, element: str) -> tuple[MergeType | None, bool]:
    """The type of what an element leads to, and whether it is a declared field."""
    if element[0] == "f":
        if kind.map is None:
            return None, False
        declared = kind.map.fields.get(element[2:])
        return (declared, True) if declared is not None else (kind.map.element, False)
    return (kind.list.items if kind.list is not None else None), False


def decode(raw: Any, depth: int = 0) -> FieldSet:
    """A set that a client wrote, in canonical form. Raises NoPathElement."""
    if not isinstance(raw, dict):
        raise NoPathElement("a set of fields must be an object")
    if depth > _MAX_DEPTH:
        raise NoPathElement("nested too deep")
    result: FieldSet = {}
    for key, value in raw.items():
        if key == SELF:
            result[SELF] = _MEMBER
            continue
        element = canonical(key)
        if element is None:
            continue
        node = decode(value, depth + 1)
        result[element] = _MEMBER if not node or node.keys() == {SELF} else node
    return _sorted(result)


def field_paths(*names: str) -> Path:
    """The path of nested fields."""
    return tuple(field(name) for name in names)


def _is_member(node: FieldSet) -> bool:
    return not node or SELF in node


def _sorted(fields: FieldSet) -> FieldSet:
    order = ordered(fields)
    return fields if order == list(fields) else {element: fields[element] for element in order}


def ordered_set(nodes: Iterable[tuple[str, FieldSet]]) -> FieldSet:
    """A set of nodes in any order."""
    return _sorted(dict(nodes))
