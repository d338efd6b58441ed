"""How values merge: the types of server-side apply, independent of where a schema comes from.

A `MergeType` says of a value whether it is a scalar, a map or a list (or may be any of them, when nothing is known), whether
it belongs to one manager as a whole (atomic) or each part of it to its own (granular), and what tells list elements apart.
`MergeTypes` is the seam: `Schemas` implements it for built-in kinds (`merge_types_builtin`), custom resources by their
structural schema (`merge_types_structural`). Types may refer to themselves; they are never changed once they were handed out.

Source: sigs.k8s.io/structured-merge-diff schema, k8s.io/kube-openapi pkg/schemaconv.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

#: What a scalar may be; "" for what is no scalar, "untyped" for any.
Scalar = Literal["", "string", "numeric", "boolean", "untyped"]


@dataclass(slots=True, eq=False)
class MergeType:
    """What a value may be. At least one of the three is set; all three for a value of which nothing is known."""

    scalar: Scalar = ""
    map: "MapType | None" = None
    list: "ListType | None" = None


@dataclass(slots=True, eq=False)
class MapType:
    """An object. `fields`: the declared ones; `element`: the type of all others, None when there are none.

    `embedded`: maps and lists that are there, empty, even when JSON has none of them (Go's structs that are no pointers), so
    that nobody adds or removes the field itself.
    """

    fields: dict[str, MergeType] = field(default_factory=dict)
    element: MergeType | None = None
    atomic: bool = False
    embedded: frozenset[str] = frozenset()
    #: Field sets of objects without maps and lists in them, by their keys; `master.api.apply.compare` keeps them.
    flat: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict, repr=False)


@dataclass(slots=True, eq=False)
class ListType:
    """A list. Not atomic: a set of scalars without `keys`, else elements by the values of their keys."""

    items: MergeType
    atomic: bool = True
    keys: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)


class MergeTypes(Protocol):
    """Where the types come from."""

    def merge_type(self, definition: str) -> MergeType:
        """The type of a definition by its name. Raises SchemaError."""
        ...


def _untyped() -> MergeType:
    atomic = MergeType(scalar="untyped")
    atomic.list = ListType(items=atomic)
    atomic.map = MapType(element=atomic, atomic=True)
    deduced = MergeType(scalar="untyped", list=ListType(items=atomic))
    deduced.map = MapType(element=deduced)
    return deduced


#: A value of which nothing is known: its maps are merged, its lists are atomic.
UNTYPED = _untyped()
