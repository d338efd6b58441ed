"""Registry: Kubernetes' verbs on declared kinds, below HTTP (the implementation of `master.client.protocol.Verbs`).

Called by `master.api.http` for clients outside, and by `master.client.local` for controllers, scheduler and fleet in process.
Each write is one compare-and-set; what depends on the old object is tried again when another writer was faster. An update
that changes nothing is not written. A response is given when the write is on disk and the watch cache shows it.

Authentication, authorisation and content negotiation happen before; `WriteOptions` says for whom and how a write is done.
"""

import functools
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from prometheus_client import CollectorRegistry

from master.api.admission.chain import AdmissionChain
from master.api.admission.dynamic.admission import DynamicAdmission
from master.api.admission.protocol import AdmissionContext, AdmissionRequest, Operation
from master.api.allocation.protocol import Allocator
from master.api.auth.authorization import Authorization
from master.api.auth.protocol import UserInfo
from master.api.custom_resources.controller import CustomResources
from master.api.kinds.kind import Kind
from master.api.kinds.registry import Kinds
from master.api.registry import deletion
from master.api.registry.admitting import Admitting, AsItIs, write_options
from master.api.registry.field_ownership import FieldOwnership
from master.api.registry.large_writes import LARGE_BYTES, LargeWrites
from master.api.registry.listing import Lister, ListQuery, Page
from master.api.registry.metadata import (
    begin_life,
    check_name,
    check_namespace,
    check_preconditions,
)
from master.api.registry.patching import check_patched, patched_object
from master.api.registry.selection import Selection
from master.api.registry.source import ObjectSource
from master.api.registry.storage import Storage, Stored, encode, key_of, prefix_of, updated_elsewhere
from master.api.registry.strategies.registry import STRATEGIES
from master.api.registry.strategies.strategy import Strategy
from master.api.registry.watching import ObjectWatch, open_watch, shown
from master.api.registry.write_options import IN_PROCESS, MASTER_USER, Check, Warn, WriteOptions, unheard
from master.api.registry.writer import Applied, Writer
from master.api.schema.schemas import Schemas, TypeMismatch
from master.api.webhook.client import CallFailed, WebhookClient
from master.api.webhook.services import ServiceEndpoints
from master.client.errors import Cause, StatusError, bad_request, conflict, invalid
from master.client.protocol import DeleteOptions, Json, PatchType, RawEvent, RawList, ResourceRef
from master.store.cache import WatchCache
from master.store.protocol import Conflict, Store

#: Parts of an object that are most of it, and that a patch mostly leaves alone.
_PARTS = ("spec", "status", "data", "binaryData")
#: How often a write is tried against newer versions of its object (kube-apiserver's MaxRetryWhenPatchConflicts).
_ATTEMPTS = 5


class Registry:
    def __init__(
        self,
        store: Store,
        cache: WatchCache,
        *,
        kinds: Kinds,
        schemas: Schemas,
        allocators: Mapping[ResourceRef, Allocator],
        authorization: Authorization,
        metrics: CollectorRegistry,
    ) -> None:
        self.kinds = kinds
        self.schemas = schemas
        self.storage = Storage(store, cache)
        self._cache = cache
        self._lister = Lister(cache)
        self._ownership = FieldOwnership(kinds, schemas)
        self.authorization = authorization
        context = AdmissionContext(reader=self.storage, writer=self, authorization=authorization)
        self._allocators = allocators
        self.webhooks = WebhookClient(ServiceEndpoints(cache))
        self.dynamic_admission = DynamicAdmission(
            cache,
            kinds=kinds,
            find=lambda resource: kinds.get(resource.group, resource.version, resource.plural),
            authorization=authorization,
            client=self.webhooks,
            metrics=metrics,
        )
        self._admitting = Admitting(AdmissionChain(context), self.dynamic_admission)
        self._large = LargeWrites()
        self._writer = Writer(
            self.storage,
            large=self._large,
            ownership=self._ownership,
            admitting=self._admitting,
            allocators=allocators,
            normalize=self._normalized,
        )
        self.custom_resources = CustomResources(
            cache, kinds, schemas, writer=self, caller=self.webhooks, failures=(CallFailed,)
        )

        #: Of kinds that are made at each read.
        self._sources: dict[ResourceRef, ObjectSource] = {}

    def serve_from(self, kind: Kind, source: ObjectSource) -> None:
        """Where the objects of a kind come from that is never stored. Until then its requests are answered with 503."""
        self._sources[kind.resource] = source

    def _source(self, kind: Kind) -> ObjectSource:
        source = self._sources.get(kind.resource)
        if source is None:
            raise StatusError(503, "ServiceUnavailable", f"{kind.plural}.{kind.group} cannot be read: no node is in reach")
        return source

    async def open(self) -> None:
        """Learn what is allocated and which custom resources there are; once the watch cache is in sync, before any write."""
        await self.custom_resources.open()
        for resource, allocator in self._allocators.items():
            objects, _ = self._cache.list(prefix_of(self.kind(resource)))
            allocator.rebuild((cached.key, cached.decode()) for cached in objects)

    async def close(self) -> None:
        """Close the connections to webhooks; when nothing writes any more."""
        await self.webhooks.close()

    def kind(self, resource: ResourceRef) -> Kind:
        """Raises StatusError 404 for a resource that is not served."""
        kind = self.kinds.get(resource.group, resource.version, resource.plural)
        if kind is None:
            raise StatusError(404, "NotFound", "the server could not find the requested resource", details={})
        return kind

    # Reading

    async def get(self, resource: ResourceRef, namespace: str, name: str, *, subresource: str = "") -> bytes:
        kind = self.kind(resource)
        if kind.made:
            return await self._source(kind).get(namespace, name)
        if subresource in ("", "status"):
            cached = self._cache.get(key_of(kind, namespace, name))
            if cached is not None:
                if kind.conversion is not None:
                    (cached,) = await kind.conversion.shown((cached,))
                return shown(kind, cached)
            return encode((await self.storage.fetch(kind, namespace, name, fresh=True)).obj)
        stored = await self.storage.fetch(kind, namespace, name)
        return encode(_strategy(kind, subresource).view(kind, stored.obj))

    async def list(
        self, resource: ResourceRef, namespace: str, *, label_selector: str = "", field_selector: str = ""
    ) -> RawList:
        kind = _as_stored(self.kind(resource))
        selection = Selection(kind, label_selector=label_selector, field_selector=field_selector)
        page = await self.page(kind, namespace, ListQuery(selection))
        return RawList([shown(kind, cached) for cached in page.objects], page.revision)

    async def page(self, kind: Kind, namespace: str, query: ListQuery) -> Page:
        """A list with all that HTTP can ask for."""
        if kind.made:
            return Page(await self._source(kind).list(namespace, query.selection), self.revision)
        return await self._lister.list(kind, namespace, query)

    async def watch(
        self,
        resource: ResourceRef,
        namespace: str,
        *,
        revision: int,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[Sequence[RawEvent]]:
        kind = _as_stored(self.kind(resource))
        selection = Selection(kind, label_selector=label_selector, field_selector=field_selector)
        with self.open_watch(kind, namespace, revision, selection) as events:
            async for batch in events:
                yield batch

    def open_watch(self, kind: Kind, namespace: str, revision: int, selection: Selection) -> ObjectWatch:
        """A watch for HTTP, which also needs the revision for bookmarks. Raises StatusError 410."""
        return open_watch(self._cache, kind, namespace, revision, selection)

    @property
    def revision(self) -> int:
        """The newest revision that reads show."""
        return self._cache.revision

    # Writing

    async def create(
        self,
        resource: ResourceRef,
        namespace: str,
        body: Json,
        options: WriteOptions = IN_PROCESS,
    ) -> bytes:
        kind = self.kind(resource)
        size = self._size(kind, body, options)

        def begun() -> tuple[Json, str]:
            obj = (options.check or self._normalized)(kind.definition, body)
            given = obj.get("metadata") or {}
            prefix, sent = "" if given.get("name") else given.get("generateName") or "", given.get("managedFields")
            begin_life(kind, namespace, obj)
            kind.prepare_for_create(obj)
            kind.default(obj)
            self._ownership.created(kind, obj, sent, options)
            return obj, prefix

        obj, prefix = await self._large.run(size, options.user, begun)
        return await self._writer.create(kind, namespace, obj, options, prefix=prefix, size=size)

    async def update(
        self,
        resource: ResourceRef,
        namespace: str,
        name: str,
        body: Json,
        options: WriteOptions = IN_PROCESS,
        *,
        subresource: str = "",
    ) -> bytes:
        kind = self.kind(resource)
        strategy = _strategy(kind, subresource)
        size = self._size(kind, body, options)
        sent, check, definition = body, options.check or self._normalized, strategy.definition(kind)
        body = await self._large.run(size, options.user, lambda: check(definition, sent))
        metadata = body.get("metadata") or {}
        if subresource != "binding":
            check_name(name, metadata)
        check_namespace(kind, namespace, metadata)
        wanted = metadata.get("resourceVersion") or ""
        if not (wanted or kind.unconditional_update) and subresource in ("", "status"):
            text = "Invalid value: 0x0: must be specified for an update"
            raise invalid(kind.kind, kind.group, name, [Cause("metadata.resourceVersion", "FieldValueInvalid", text)])
        for attempt in range(_ATTEMPTS):
            stored = await self.storage.fetch(kind, namespace, name, fresh=attempt > 0)
            if subresource != "binding":
                check_preconditions(kind, stored.obj, uid=metadata.get("uid"), resource_version=None)
                if wanted and wanted != str(stored.revision):
                    raise updated_elsewhere(kind, name)
            try:
                return await self._writer.write(kind, strategy, subresource, stored, body, options, size=size)
            except Conflict:
                if wanted:
                    raise updated_elsewhere(kind, name) from None
        raise updated_elsewhere(kind, name)

    async def patch(
        self,
        resource: ResourceRef,
        namespace: str,
        name: str,
        patch_type: PatchType,
        body: Any,
        options: WriteOptions = IN_PROCESS,
        *,
        subresource: str = "",
    ) -> bytes:
        kind = self.kind(resource)
        strategy = _strategy(kind, subresource)
        definition, check = strategy.definition(kind), options.check or self._normalized
        size = self._size(kind, body, options)
        for attempt in range(_ATTEMPTS):
            stored = await self.storage.fetch(kind, namespace, name, fresh=attempt > 0)
            view = strategy.view(kind, stored.obj)
            largest = self._largest(kind, size, stored)
            patched = await self._large.run(
                largest,
                options.user,
                functools.partial(_patched, kind, check, self.schemas, definition, view, patch_type, body),
            )
            check_patched(kind, namespace, name, stored, patched)
            try:
                return await self._writer.write(kind, strategy, subresource, stored, patched, options, size=largest)
            except Conflict:
                continue
        raise updated_elsewhere(kind, name)

    async def apply(
        self,
        resource: ResourceRef,
        namespace: str,
        name: str,
        config: Json,
        options: WriteOptions,
        *,
        subresource: str = "",
    ) -> tuple[bytes, bool]:
        """Server-side apply. The object, and whether it was created."""
        kind = self.kind(resource)
        strategy = _strategy(kind, subresource)
        size = self._size(kind, config, options)
        for attempt in range(_ATTEMPTS):
            try:
                stored = await self.storage.fetch(kind, namespace, name, fresh=attempt > 0)
            except StatusError as error:
                if error.code != 404 or subresource:
                    raise
                try:
                    return await self._apply_new(kind, strategy, namespace, name, config, options), True
                except StatusError as error:
                    if error.reason != "AlreadyExists":
                        raise
                    continue
            largest = self._largest(kind, size, stored)
            apply = functools.partial(self._applied, kind, strategy, subresource, stored.obj, config, options)
            applied, owners = await self._large.run(largest, options.user, apply)
            check_patched(kind, namespace, name, stored, applied)
            try:
                raw = await self._writer.write(
                    kind, strategy, subresource, stored, applied, options, Applied(owners), size=largest
                )
                return raw, False
            except Conflict:
                continue
        raise updated_elsewhere(kind, name)

    async def _apply_new(
        self, kind: Kind, strategy: Strategy, namespace: str, name: str, config: Json, options: WriteOptions
    ) -> bytes:
        """Create what is applied and not there yet. Raises StatusError 409 AlreadyExists when somebody else was faster."""
        if options.may_create is not None:
            options.may_create()
        size = self._size(kind, config, options)
        apply = functools.partial(self._applied, kind, strategy, "", None, config, options)
        obj, owners = await self._large.run(size, options.user, apply)
        metadata = obj.setdefault("metadata", {})
        if metadata.get("uid"):
            why = f"uid mismatch: the provided object specified uid {metadata['uid']}, and no existing object was found"
            raise conflict(kind.plural, kind.group, name, why)
        check_namespace(kind, namespace, metadata)
        check_name(name, metadata)
        begin_life(kind, namespace, obj)
        kind.prepare_for_create(obj)
        kind.default(obj)
        if owners:
            metadata["managedFields"] = owners
        return await self._writer.create(kind, namespace, obj, options, size=size)

    def _applied(
        self, kind: Kind, strategy: Strategy, subresource: str, live: Json | None, config: Json, options: WriteOptions
    ) -> tuple[Json, Any]:
        """What an apply makes of an object, checked, and its managedFields."""
        merged, owners = self._ownership.applied(kind, strategy, subresource, live, config, options)
        return (options.check or self._normalized)(strategy.definition(kind), merged), owners

    def _size(self, kind: Kind, body: Any, options: WriteOptions) -> int:
        """The bytes of a body; a writer in process does not say them."""
        return self._largest(kind, options.size or len(encode(body)), None)

    def _largest(self, kind: Kind, size: int, stored: Stored | None) -> int:
        """The bytes of a body or of the object that it is about; when they are many, all is ready for another thread."""
        size = max(size, stored.size if stored is not None else 0)
        if size > LARGE_BYTES:
            for one in self.kinds:
                if one.storage == kind.storage:
                    for strategy in STRATEGIES.values():
                        self.schemas.prepare(strategy.definition(one))
        return size

    async def delete(
        self,
        resource: ResourceRef,
        namespace: str,
        name: str,
        options: DeleteOptions,
        *,
        user: UserInfo = MASTER_USER,
        warn: Warn = unheard,
    ) -> bytes:
        kind = self.kind(resource)
        for attempt in range(_ATTEMPTS):
            stored = await self.storage.fetch(kind, namespace, name, fresh=attempt > 0)
            check_preconditions(kind, stored.obj, uid=options.uid, resource_version=options.resource_version)
            request = AdmissionRequest(
                "DELETE",
                resource,
                kind.kind,
                namespace,
                name,
                old=stored.obj,
                user=user,
                dry_run=options.dry_run,
                warn=warn,
            )
            await self._admitting.delete(request, stored.obj, options)
            outcome = deletion.begin(kind, stored.obj, options)
            try:
                match outcome:
                    case deletion.Pending():
                        return encode(stored.obj)
                    case deletion.Marked(obj=obj):
                        if options.dry_run:
                            return encode(obj)
                        return (await self.storage.replace(kind, obj, expected=stored.revision)).encoded()
                    case deletion.Removed():
                        if not options.dry_run:
                            await self._writer.remove(kind, stored)
                        return encode(deletion.removed(kind, stored.obj))
            except Conflict:
                continue
        raise updated_elsewhere(kind, name)

    async def delete_collection(
        self,
        kind: Kind,
        namespace: str,
        query: ListQuery,
        options: DeleteOptions,
        *,
        user: UserInfo = MASTER_USER,
        warn: Warn = unheard,
    ) -> Page:
        """Delete each object of a list; what is gone already is fine. The page is what was found before."""
        page = await self._lister.list(kind, namespace, query)
        for cached in page.objects:
            try:
                await self.delete(kind.resource, cached.namespace, cached.name, options, user=user, warn=warn)
            except StatusError as error:
                if error.code != 404:
                    raise
        return page

    async def admit(
        self,
        resource: ResourceRef,
        namespace: str,
        name: str,
        obj: Json,
        options: WriteOptions,
        *,
        subresource: str,
        operation: Operation = "CREATE",
    ) -> None:
        """Both phases of admission for what is not stored: a TokenRequest, an Eviction, the options of a connection.

        `obj` may be changed. Raises StatusError.
        """
        request = AdmissionRequest(
            operation,
            resource,
            obj["kind"],
            namespace,
            name,
            subresource,
            user=options.user,
            dry_run=options.dry_run,
            warn=options.warn,
        )
        admitted, seen = await self._admitting.mutate(
            request, obj, AsItIs, lambda: None if operation == "CONNECT" else write_options("CreateOptions", options)
        )
        await self._admitting.validate(request, admitted, seen)
        if admitted is not obj:
            obj.clear()
            obj.update(admitted)

    def _normalized(self, definition: str, body: Json) -> Json:
        """The check of callers in process: they write typed objects, but not always in canonical form."""
        try:
            return self.schemas.normalize(definition, body).object
        except TypeMismatch as error:
            raise bad_request(str(error)) from error


def _patched(
    kind: Kind, check: Check, schemas: Schemas, definition: str, view: Json, patch_type: PatchType, body: Any
) -> Json:
    """The patched object, checked. What the patch left alone was checked when it was stored; it is shared with the view."""
    patched = patched_object(schemas, definition, view, patch_type, body)
    left_alone = {name: patched[name] for name in _PARTS if name in patched and patched[name] is view.get(name)}
    if not left_alone or definition != kind.definition or kind.is_custom or kind.stored_as is not None:
        return check(definition, patched)
    checked = check(definition, {name: part for name, part in patched.items() if name not in left_alone})
    checked.update(left_alone)
    return {name: checked[name] for name in (*patched, *checked) if name in checked}  # in the order in which it was


def _as_stored(kind: Kind) -> Kind:
    """For readers in process, who need the metadata of custom resources only: no webhook may keep them from it."""
    return kind if kind.conversion is None else replace(kind, conversion=None)


def _strategy(kind: Kind, subresource: str) -> Strategy:
    strategy = STRATEGIES.get(subresource)
    if strategy is None or (subresource and subresource not in kind.subresources):
        raise StatusError(404, "NotFound", "the server could not find the requested resource", details={})
    return strategy
