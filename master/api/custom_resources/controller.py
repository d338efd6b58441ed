"""CustomResources: follows the CustomResourceDefinitions in the watch cache and makes the API serve what they declare.

    definition ──► names accepted? ──► its kinds are made (in a thread) and served ──► Established is written
        changed ──► its kinds are made anew        spec, names or end differ from what is served
        deleted ──► no more creations, its objects are deleted, one after another ──► none left: the finalizer comes off

Opened by the registry's owner before the first request, so that what was Established before a restart is served from the
start; then run by the API server. One definition is dealt with at a time: names are given first come, first served. Kubernetes
has these as the naming, establishing and finalizing controllers of k8s.io/apiextensions-apiserver.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from master.api.kinds.kind import Kind
from master.api.kinds.registry import Kinds
from master.api.registry.deletion import CLEANUP
from master.api.schema.schemas import Schemas
from master.client.errors import StatusError
from master.client.protocol import DeleteOptions, Json, ResourceRef
from master.store.cache import WatchCache
from master.store.cached import CachedObject
from master.store.protocol import Compacted

if TYPE_CHECKING:
    from master.api.custom_resources.kind import MadeKind

_log = logging.getLogger(__name__)

DEFINITIONS = ResourceRef("apiextensions.k8s.io", "v1", "customresourcedefinitions")
_PREFIX = "/registry/apiextensions.k8s.io/customresourcedefinitions/"
#: How long until a definition is looked at again, whose objects are not all gone or whose update failed.
_AGAIN_SECONDS = 0.5
#: How many objects are deleted together, and before other definitions have their turn.
_DELETED_AT_ONCE = 50
_DELETED_IN_A_PASS = 500
_MARKED = b'"deletionTimestamp":"'


class _Metadata(msgspec.Struct):
    name: str


class _Spec(msgspec.Struct):
    group: str = ""
    names: dict[str, Any] = {}


class _Status(msgspec.Struct):
    acceptedNames: dict[str, Any] | None = None
    conditions: list[dict[str, Any]] | None = None


class _Named(msgspec.Struct):
    """The part of a definition that names it."""

    metadata: _Metadata
    spec: _Spec
    status: _Status = msgspec.field(default_factory=_Status)


_NAMED = msgspec.json.Decoder(_Named)


class DefinitionWriter(Protocol):
    """What the controller writes with: the registry."""

    async def update(
        self, resource: ResourceRef, namespace: str, name: str, body: Json, *, subresource: str = ""
    ) -> bytes: ...

    async def patch(self, resource: ResourceRef, namespace: str, name: str, patch_type: Any, body: Any) -> bytes: ...

    async def delete(self, resource: ResourceRef, namespace: str, name: str, options: DeleteOptions) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Served:
    """What a definition's kinds were made of."""

    spec: Json
    accepted: Json
    stored_versions: Sequence[str]
    terminating: bool


class CustomResources:
    """`caller` and `failures`: for conversion by webhooks (`master.api.custom_resources.conversion`)."""

    def __init__(
        self,
        cache: WatchCache,
        kinds: Kinds,
        schemas: Schemas,
        *,
        writer: DefinitionWriter,
        caller: Any,
        failures: tuple[type[Exception], ...],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cache = cache
        self._kinds = kinds
        self._schemas = schemas
        self._writer = writer
        self._caller = caller
        self._failures = failures
        self._clock = clock
        self._served: dict[str, _Served] = {}
        self._revision = 0
        #: Definitions to look at again, by name.
        self._again: set[str] = set()

    async def open(self) -> None:
        """Serve what is Established already."""
        found, self._revision = self._cache.list(_PREFIX)
        for cached in found:
            try:
                definition = cached.decode()
                accepted = (definition.get("status") or {}).get("acceptedNames") or {}
                if _is_established(definition):
                    await self._serve(definition, accepted, cached.revision)
            except Exception:  # noqa: BLE001 - one odd definition must not keep the master from its start
                _log.exception("a definition of custom resources cannot be served", extra={"definition": cached.name})

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._follow()
            except Compacted:
                _log.info("definitions of custom resources are read anew")

    async def _follow(self) -> None:
        found, revision = self._cache.list(_PREFIX)
        names = {cached.name for cached in found} | set(self._served)
        with self._cache.watch(_PREFIX, revision) as watch:
            await self._look_at(names)
            while True:
                try:
                    async with asyncio.timeout(_AGAIN_SECONDS if self._again else None):
                        events = await anext(watch)
                    names = {event.object.name for event in events}
                except TimeoutError:
                    names, self._again = self._again, set()
                await self._look_at(names)

    async def _look_at(self, names: set[str]) -> None:
        for name in sorted(names):
            try:
                await self._reconcile(name)
            except StatusError as error:
                if error.code not in (404, 409):
                    _log.warning("definition waits: %s", error, extra={"definition": name})
                self._again.add(name)
            except Exception:  # noqa: BLE001 - one odd definition must not end all others
                # Not again before it changes: the same would happen, twice a second.
                _log.exception("a definition of custom resources cannot be served", extra={"definition": name})

    def _read(self, name: str) -> tuple[Json, CachedObject] | None:
        cached = self._cache.get(f"{_PREFIX}-/{name}")
        return None if cached is None else (cached.decode(), cached)

    async def _reconcile(self, name: str) -> None:
        found = self._read(name)
        if found is None:
            self._withdraw(name)
            return
        definition, cached = found
        from master.api.custom_resources.names import accept_names, status_of

        built_in = self._kinds.declared(name.partition(".")[2])
        naming = accept_names(definition, [named for _, named in self._group_of(name)], built_in)
        if naming.conflict is None or _is_established(definition):
            await self._serve(definition, naming.accepted, cached.revision)
        if definition["metadata"].get("deletionTimestamp"):
            await self._clean(name, definition)
            return
        status = status_of(definition, naming, self._clock())
        if status != definition.get("status"):
            await self._writer.update(DEFINITIONS, "", name, {**definition, "status": status}, subresource="status")
            self._wake_group(definition)

    def _wake_group(self, definition: Json) -> None:
        """Names may have become free for others of the group."""
        name = definition["metadata"]["name"]
        self._again |= {other for other, named in self._group_of(name) if other != name and not _is_accepted(named)}

    def _group_of(self, name: str) -> list[tuple[str, Json]]:
        """The definitions of a definition's group: name, and as much as naming needs. Schemas are large and not decoded."""
        group = name.partition(".")[2]
        return [
            (cached.name, msgspec.to_builtins(_NAMED.decode(cached.raw)))
            for cached in self._cache.list(_PREFIX)[0]
            if cached.name.partition(".")[2] == group
        ]

    # Kinds

    async def _serve(self, definition: Json, accepted: Json, revision: int) -> None:
        name = definition["metadata"]["name"]
        stored = tuple((definition.get("status") or {}).get("storedVersions") or ())
        wanted = _Served(definition["spec"], accepted, stored, bool(definition["metadata"].get("deletionTimestamp")))
        if self._served.get(name) == wanted:
            return
        made = await asyncio.to_thread(self._make, definition, accepted, revision)
        for kind in self._kinds.of_definition(name):
            self._schemas.remove(kind.definition)
        for one in made:
            self._schemas.add(one.kind.definition, one.normalize, one.merge_type)
            if name in self._served:
                one.conversion.current_from(self._cache.revision + 1)
        self._kinds.serve(name, [one.kind for one in made])
        self._served[name] = wanted

    def _make(self, definition: Json, accepted: Json, revision: int) -> "list[MadeKind]":
        from master.api.custom_resources.conversion import ByName, ByWebhook
        from master.api.custom_resources.kind import make_kinds

        strategy = (definition["spec"].get("conversion") or {}).get("strategy")
        converter = ByWebhook(definition, self._caller, self._failures) if strategy == "Webhook" else ByName()
        return make_kinds(definition, accepted, schemas=self._schemas, converter=converter, since=revision)

    def _withdraw(self, name: str) -> None:
        for kind in self._kinds.of_definition(name):
            self._schemas.remove(kind.definition)
        self._kinds.withdraw(name)
        if self._served.pop(name, None) is not None:
            self._again |= {other for other, _ in self._group_of(name)}

    # The end of a definition

    async def _clean(self, name: str, definition: Json) -> None:
        """Delete the objects of a definition that is being deleted; let it go when none is left."""
        finalizers = definition["metadata"].get("finalizers") or []
        if CLEANUP not in finalizers:
            return
        spec = definition["spec"]
        prefix = f"/registry/{spec['group']}/{spec['names']['plural']}/"
        objects, _ = self._cache.list(prefix)
        kinds = self._kinds.of_definition(name)
        if objects and kinds:
            # In the version that is stored: that asks no webhook. What waits for its finalizers is marked already.
            stored = next((kind for kind in kinds if kind.conversion is not None and kind.conversion.is_storage), kinds[0])
            waiting = [cached for cached in objects if _MARKED not in cached.raw][:_DELETED_IN_A_PASS]
            for start in range(0, len(waiting), _DELETED_AT_ONCE):
                async with asyncio.TaskGroup() as tasks:
                    for cached in waiting[start : start + _DELETED_AT_ONCE]:
                        tasks.create_task(self._delete(stored, cached))
            objects, _ = self._cache.list(prefix)
        if objects and kinds:
            self._again.add(name)
            return
        kept = [finalizer for finalizer in finalizers if finalizer != CLEANUP]
        metadata = {"finalizers": kept or None, "resourceVersion": definition["metadata"]["resourceVersion"]}
        body = {"metadata": metadata}
        await self._writer.patch(DEFINITIONS, "", name, "application/merge-patch+json", body)

    async def _delete(self, kind: Kind, cached: CachedObject) -> None:
        try:
            options = DeleteOptions(propagation_policy="Background")
            await self._writer.delete(kind.resource, cached.namespace, cached.name, options)
        except StatusError as error:
            if error.code not in (404, 409):
                _log.warning("custom resource stays: %s", error, extra={"resource": kind.plural, "object": cached.name})


def _is_established(definition: Json) -> bool:
    return _has(definition, "Established")


def _is_accepted(definition: Json) -> bool:
    return _has(definition, "NamesAccepted")


def _has(definition: Json, condition: str) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == condition and one.get("status") == "True" for one in conditions)
