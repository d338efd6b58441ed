"""The garbage collector: deletes objects whose owners are gone, and carries out foreground and orphaning deletion.

    owner deleted ──► each dependent is looked at: no owner left that exists ──► deleted
    owner deleted in the foreground (finalizer foregroundDeletion) ──► dependents are deleted first; when none is left that
                      blocks it (blockOwnerDeletion), the finalizer comes off
    owner deleted, orphaning (finalizer orphan) ──► its dependents lose their reference, then the finalizer comes off

The graph comes from caches and may lag, so nothing is deleted on its word alone: the object and each of its owners are read
from the API first, an owner by name *and* uid, and the deletion carries the object's uid and resourceVersion.
Source: https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from functools import partial
from typing import Any, Literal

from lightkube.core.resource import GlobalResource, Resource, api_info
from lightkube.models.core_v1 import ObjectReference
from lightkube.models.meta_v1 import OwnerReference

from master.client.errors import StatusError
from master.client.protocol import DeleteOptions
from master.controllers.context import ControllerContext
from master.controllers.garbage.graph import FOREGROUND, ORPHAN, Graph, Vertex
from master.controllers.objects.metadata import meta, uid_of
from master.informer import Informer, Retry, WorkQueue, run_workers


class _Owner(Enum):
    SOLID = auto()
    WAITING = auto()
    """It is being deleted in the foreground and waits for its dependents."""
    ABSENT = auto()


class GarbageCollector:
    """Reconciles objects of all kinds by uid."""

    name = "garbage-collector"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._workers = context.settings.workers
        self._events = context.recorder("garbage-collector-controller")
        self._graph = Graph()
        self._queue: WorkQueue[str] = WorkQueue(self.name)
        self._served = context.kinds
        self._shared = context.informers
        self._kinds: Mapping[tuple[str, str], type[Resource]] = {}
        self._informers: dict[type[Resource], Informer[Any]] = {}
        self._follow_kinds()
        self._served.on_change(self._follow_kinds)

    def _follow_kinds(self) -> None:
        """Follow the kinds that are served now: new ones, and no longer those that were taken away."""
        self._kinds = self._served.types()
        # Events own nothing and nothing owns them, but they are many.
        wanted = {kind for kind in self._kinds.values() if api_info(kind).resource.kind != "Event"}
        for kind in wanted - self._informers.keys():
            informer: Informer[Any] = self._shared.of(kind)
            self._informers[kind] = informer
            informer.add_handler(self._handler(kind))
        for kind in self._informers.keys() - wanted:
            del self._informers[kind]
            self._shared.stop(kind)
            for uid in self._graph.of_kind(kind):
                self._on_gone(uid)

    async def run(self) -> None:
        for informer in list(self._informers.values()):
            await informer.synced()
        await run_workers(self._queue, self._reconcile, workers=self._workers, name=self.name)

    # What changes in the graph, and whom that concerns.

    def _handler(self, kind: type[Resource]) -> Callable[[Resource | None, Resource | None], None]:
        return partial(self._on_change, kind)

    def _on_change(self, kind: type[Resource], old: Resource | None, new: Resource | None) -> None:
        if old is not None and (new is None or uid_of(old) != uid_of(new)):
            self._on_gone(uid_of(old))
        if new is not None:
            self._on_present(*self._graph.put(kind, new))

    def _on_gone(self, uid: str) -> None:
        vertex = self._graph.remove(uid)
        for dependent in self._graph.dependents(uid):
            self._queue.add(dependent.uid)
        if vertex is not None:
            self._wake_waiting(vertex.owners)

    def _on_present(self, before: Vertex | None, after: Vertex) -> None:
        if after.owners and (before is None or before.owners != after.owners):
            self._queue.add(after.uid)
        if before is not None:
            self._wake_waiting(before.owners)
        if after.deletes_dependents or after.orphans_dependents:
            self._queue.add(after.uid)
        if after.deletes_dependents and not (before and before.deletes_dependents):
            for dependent in self._graph.dependents(after.uid):
                self._queue.add(dependent.uid)

    def _wake_waiting(self, owners: Iterable[str]) -> None:
        """Owners that wait in the foreground for this dependent look again."""
        for uid in owners:
            owner = self._graph.get(uid)
            if owner is not None and owner.deletes_dependents:
                self._queue.add(uid)

    # What is done about one object.

    async def _reconcile(self, uid: str) -> None:
        vertex = self._graph.get(uid)
        if vertex is None:
            return
        if vertex.orphans_dependents:
            await self._orphan(vertex)
        elif vertex.deletes_dependents:
            await self._delete_dependents(vertex)
        elif vertex.owners and not vertex.being_deleted and not self._surely_owned(vertex):
            await self._collect(vertex)

    def _surely_owned(self, vertex: Vertex) -> bool:
        """Whether the caches have all owners, none of which is on its way out in the foreground; saves asking the API.

        A cache that lags is no harm: the owner's end arrives later and brings its dependents back here.
        """
        found = [(self._graph.get(uid), reference) for uid, reference in vertex.owners.items()]
        return all(
            owner is not None
            and not owner.deletes_dependents
            and owner.name == reference.name
            and owner.kind is self._kinds.get((reference.apiVersion, reference.kind))
            and owner.namespace in {"", vertex.namespace}
            for owner, reference in found
        )

    async def _collect(self, vertex: Vertex) -> None:
        current = await self._read(vertex)
        if current is None:
            return
        references = meta(current).ownerReferences or []
        if not references:
            return
        states = [(reference, await self._state(vertex, reference)) for reference in references]
        useless = [reference for reference, state in states if state is not _Owner.SOLID]
        if not useless:
            return
        if len(useless) < len(references):
            await self._drop_references(vertex, current, {reference.uid for reference in useless})
            return
        dependents = list(self._graph.dependents(vertex.uid))
        if dependents and any(state is _Owner.WAITING for _, state in states):
            # Its owner, which waits in the foreground, shall wait for its dependents as well.
            blocks = any(reference.blockOwnerDeletion for reference in references)
            if blocks and any(dependent.deletes_dependents for dependent in dependents):
                await self._unblock_owners(vertex, current)
            await self._delete(vertex, current, "Foreground")
            return
        finalizers = meta(current).finalizers or ()
        if ORPHAN in finalizers:
            await self._delete(vertex, current, "Orphan")
        elif FOREGROUND in finalizers:
            await self._delete(vertex, current, "Foreground")
        else:
            await self._delete(vertex, current, "Background")

    async def _unblock_owners(self, vertex: Vertex, current: Resource) -> None:
        """A dependent that itself waits in the foreground may make this a circle: then nothing may wait for this object."""
        references = [
            {**_as_json(reference), "blockOwnerDeletion": False} for reference in meta(current).ownerReferences or ()
        ]
        await self._patch(vertex, current, {"ownerReferences": references})
        raise Retry(0.0, "the object was changed")

    async def _delete_dependents(self, vertex: Vertex) -> None:
        blocking = self._graph.blocking(vertex.uid)
        for dependent in blocking:
            if not dependent.being_deleted:
                self._queue.add(dependent.uid)
        if not blocking:
            await self._drop_finalizer(vertex, FOREGROUND)

    async def _orphan(self, vertex: Vertex) -> None:
        for dependent in self._graph.dependents(vertex.uid):
            current = await self._read(dependent)
            if current is not None:
                await self._drop_references(dependent, current, {vertex.uid})
        await self._drop_finalizer(vertex, ORPHAN)

    async def _state(self, dependent: Vertex, reference: OwnerReference) -> _Owner:
        """What the API says of an owner. One of a kind that is not served here is left in peace."""
        kind = self._kinds.get((reference.apiVersion, reference.kind))
        if kind is None:
            return _Owner.SOLID
        cluster_scoped = issubclass(kind, GlobalResource)
        elsewhere = self._graph.get(reference.uid)
        if not cluster_scoped and (elsewhere is not None and elsewhere.namespace != dependent.namespace):
            self._complain(dependent, reference)
        if not cluster_scoped and not dependent.namespace:
            return _Owner.SOLID
        try:
            owner = await self._client.get(kind, reference.name, "" if cluster_scoped else dependent.namespace)
        except StatusError as error:
            if error.code == 404:
                return _Owner.ABSENT
            raise
        if uid_of(owner) != reference.uid:
            return _Owner.ABSENT
        waits = meta(owner).deletionTimestamp is not None and FOREGROUND in (meta(owner).finalizers or ())
        return _Owner.WAITING if waits else _Owner.SOLID

    def _complain(self, dependent: Vertex, reference: OwnerReference) -> None:
        owner = f"[{reference.apiVersion}/{reference.kind}, namespace: {dependent.namespace}, name: {reference.name}"
        resource = api_info(dependent.kind).resource
        involved = ObjectReference(
            apiVersion=resource.api_version,
            kind=resource.kind,
            namespace=dependent.namespace or None,
            name=dependent.name,
            uid=dependent.uid,
        )
        message = f'ownerRef {owner}, uid: {reference.uid}] does not exist in namespace "{dependent.namespace}"'
        self._events.event(involved, "Warning", "OwnerRefInvalidNamespace", message)

    # Reads and writes. An object that is gone, or another one of the same name, needs nothing.

    async def _read(self, vertex: Vertex) -> Resource | None:
        try:
            current = await self._client.get(vertex.kind, vertex.name, vertex.namespace)
        except StatusError as error:
            if error.code == 404:
                return None
            raise
        return current if uid_of(current) == vertex.uid else None

    async def _drop_references(self, vertex: Vertex, current: Resource, uids: set[str]) -> None:
        kept = [_as_json(reference) for reference in meta(current).ownerReferences or () if reference.uid not in uids]
        await self._patch(vertex, current, {"ownerReferences": kept or None})

    async def _drop_finalizer(self, vertex: Vertex, finalizer: str) -> None:
        current = await self._read(vertex)
        if current is None or finalizer not in (meta(current).finalizers or ()):
            return
        kept = [each for each in meta(current).finalizers or () if each != finalizer]
        await self._patch(vertex, current, {"finalizers": kept or None})

    async def _patch(self, vertex: Vertex, current: Resource, change: dict[str, Any]) -> None:
        metadata = {"uid": vertex.uid, "resourceVersion": meta(current).resourceVersion, **change}
        try:
            await self._client.patch(vertex.kind, vertex.name, vertex.namespace, {"metadata": metadata})
        except StatusError as error:
            if error.code != 404:
                raise

    async def _delete(self, vertex: Vertex, current: Resource, policy: Literal["Orphan", "Background", "Foreground"]) -> None:
        version = meta(current).resourceVersion
        options = DeleteOptions(propagation_policy=policy, uid=vertex.uid, resource_version=version)
        try:
            await self._client.delete(vertex.kind, vertex.name, vertex.namespace, options)
        except StatusError as error:
            if error.code != 404:
                raise


def _as_json(reference: OwnerReference) -> dict[str, Any]:
    encoded: dict[str, Any] = reference.to_dict()
    return encoded
