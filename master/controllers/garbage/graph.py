"""The graph of owners and dependents over all kinds, kept from the informers' changes.

An object is known by its uid. An owner that was never seen has no vertex here, but its dependents are listed under its uid all
the same, so that its appearance or its absence can be acted upon. Pure bookkeeping, called by the garbage collector.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from lightkube.core.resource import Resource
from lightkube.models.meta_v1 import OwnerReference

from master.controllers.objects.metadata import meta, name_of, namespace_of, uid_of

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(slots=True)
class Vertex:
    """One object, as the caches have it."""

    uid: str
    kind: type[Resource]
    namespace: str
    name: str
    owners: dict[str, OwnerReference] = field(default_factory=dict)
    being_deleted: bool = False
    finalizers: frozenset[str] = frozenset()

    @property
    def deletes_dependents(self) -> bool:
        return self.being_deleted and FOREGROUND in self.finalizers

    @property
    def orphans_dependents(self) -> bool:
        return self.being_deleted and ORPHAN in self.finalizers


class Graph:
    """Vertices by uid, and dependents by their owners' uids."""

    def __init__(self) -> None:
        self._vertices: dict[str, Vertex] = {}
        self._dependents: dict[str, set[str]] = {}

    def get(self, uid: str) -> Vertex | None:
        return self._vertices.get(uid)

    def of_kind(self, kind: type[Resource]) -> list[str]:
        """The uids of the objects of a kind."""
        return [uid for uid, vertex in self._vertices.items() if vertex.kind is kind]

    def dependents(self, uid: str) -> Iterator[Vertex]:
        """Those that name this uid as an owner."""
        for dependent in list(self._dependents.get(uid, ())):
            yield self._vertices[dependent]

    def blocking(self, uid: str) -> list[Vertex]:
        """The dependents that hold up this owner's deletion in the foreground."""
        return [each for each in self.dependents(uid) if each.owners[uid].blockOwnerDeletion]

    def put(self, kind: type[Resource], obj: Resource) -> tuple[Vertex | None, Vertex]:
        """Take an object's present state in; the vertex before and after."""
        metadata = meta(obj)
        uid = uid_of(obj)
        before = self._vertices.get(uid)
        after = Vertex(
            uid=uid,
            kind=kind,
            namespace=namespace_of(obj),
            name=name_of(obj),
            owners={reference.uid: reference for reference in metadata.ownerReferences or ()},
            being_deleted=metadata.deletionTimestamp is not None,
            finalizers=frozenset(metadata.finalizers or ()),
        )
        self._unlink(before)
        self._vertices[uid] = after
        for owner in after.owners:
            self._dependents.setdefault(owner, set()).add(uid)
        return before, after

    def remove(self, uid: str) -> Vertex | None:
        """Forget an object; its dependents stay listed under its uid."""
        vertex = self._vertices.pop(uid, None)
        self._unlink(vertex)
        return vertex

    def _unlink(self, vertex: Vertex | None) -> None:
        if vertex is None:
            return
        for owner in vertex.owners:
            dependents = self._dependents.get(owner)
            if dependents is not None:
                dependents.discard(vertex.uid)
                if not dependents:
                    del self._dependents[owner]
