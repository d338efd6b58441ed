"""Informer: all objects of one kind in memory, typed, kept current by list and watch; Informers shares one per kind.

Controllers, scheduler and fleet read from it and are called on each change. What it returns is shared: never mutate it.

    list ──► watch ──410──► list (differences become calls)
              └──other failure──► watch again from where it was, with back-off
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, cast

import msgspec
from lightkube.core.resource import Resource

from master.client.errors import StatusError
from master.client.kinds import decode, resource_ref
from master.client.protocol import R, RawEvent, Verbs
from master.informer import metrics

_log = logging.getLogger(__name__)

_FIRST_BACKOFF = 0.2
_MAX_BACKOFF = 30.0
#: Objects of a list that are taken in before others get their turn on the event loop.
_LIST_CHUNK = 200

Key = tuple[str, str]


class Informer(Generic[R]):
    """One kind's objects, by namespace ("" for cluster-scoped kinds) and name."""

    def __init__(self, verbs: Verbs, kind: type[R]) -> None:
        self._verbs = verbs
        self._kind = kind
        self._resource = resource_ref(kind)
        self._objects: dict[str, dict[str, R]] = {}
        self._indexes: dict[str, tuple[Callable[[R], Iterable[str]], dict[str, dict[Key, R]]]] = {}
        self._handlers: list[Callable[[R | None, R | None], None]] = []
        self._revision = 0
        self._synced = asyncio.Event()

    # Reads

    def get(self, namespace: str, name: str) -> R | None:
        return self._objects.get(namespace, {}).get(name)

    def list(self, namespace: str = "") -> Sequence[R]:
        """Of one namespace; of all with ""."""
        if namespace:
            return [*self._objects.get(namespace, {}).values()]
        return [obj for objects in self._objects.values() for obj in objects.values()]

    def by_index(self, name: str, value: str) -> Sequence[R]:
        """The objects for which the index's function gave this value."""
        return [*self._indexes[name][1].get(value, {}).values()]

    @property
    def has_synced(self) -> bool:
        return self._synced.is_set()

    async def synced(self) -> None:
        """Wait until the first list is taken in."""
        await self._synced.wait()

    # Set-up

    def add_index(self, name: str, values: Callable[[R], Iterable[str]]) -> None:
        """An index, filled with what is there already. Adding one again under its name must bring the same function."""
        if name in self._indexes:
            if self._indexes[name][0] is not values:
                raise ValueError(f"{self._kind.__name__} has another index {name} already")
            return
        table: dict[str, dict[Key, R]] = {}
        self._indexes[name] = (values, table)
        for namespace, objects in self._objects.items():
            for key, obj in objects.items():
                for value in values(obj):
                    table.setdefault(value, {})[namespace, key] = obj

    def add_handler(self, handler: Callable[[R | None, R | None], None]) -> None:
        """Called as handler(old, new) after each change: old is None for a creation, new for a deletion. What is there already
        is reported as created. It must return quickly; add a key to a work queue."""
        self._handlers.append(handler)
        for obj in self.list():
            self._call(handler, None, obj)

    # Following

    async def run(self) -> None:
        """List and watch until cancelled."""
        backoff = _FIRST_BACKOFF
        listed = False
        while True:
            try:
                if not listed:
                    await self._list()
                    listed = True
                async for batch in self._verbs.watch(self._resource, "", revision=self._revision):
                    backoff = _FIRST_BACKOFF
                    for event in batch:
                        self._take(event)
            except StatusError as error:
                if error.code == 410:
                    _log.info("informer lists anew: %s", error, extra={"resource": self._resource.plural})
                    listed = False
                else:
                    _log.warning("informer waits: %s", error, extra={"resource": self._resource.plural})
            except Exception:  # noqa: BLE001 - the informer outlives its bugs: all that reads from it would go blind
                _log.exception("bug in list or watch; informer lists anew", extra={"resource": self._resource.plural})
                listed = False
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, _MAX_BACKOFF)

    async def _list(self) -> None:
        metrics.RELISTS.labels(self._resource.plural).inc()
        found = await self._verbs.list(self._resource, "")
        gone = {(namespace, name) for namespace, objects in self._objects.items() for name in objects}
        for number, item in enumerate(found.items):
            obj = self._decode(item)
            if obj is not None:
                gone.discard(_key(obj))
                self._put(obj)
            if number % _LIST_CHUNK == _LIST_CHUNK - 1:
                await asyncio.sleep(0)
        for key in gone:
            self._remove(key)
        self._revision = found.revision
        self._synced.set()

    def _take(self, event: RawEvent) -> None:
        self._revision = event.revision
        if event.type == "BOOKMARK":
            return
        obj = self._decode(event.object)
        if obj is None:
            return
        if event.type == "DELETED":
            self._remove(_key(obj), last=obj)
        else:
            self._put(obj)

    def _decode(self, encoded: bytes) -> R | None:
        try:
            return decode(self._kind, encoded)
        except msgspec.ValidationError as error:
            # One odd object must not hide all others; the error names the field, never its value.
            metrics.EVENTS_DROPPED.labels(self._resource.plural).inc()
            _log.error("object does not fit its type: %s", error, extra={"resource": self._resource.plural})
            return None

    def _put(self, obj: R) -> None:
        key = _key(obj)
        objects = self._objects.setdefault(key[0], {})
        old = objects.get(key[1])
        if old is not None and _version(old) == _version(obj):
            return
        objects[key[1]] = obj
        self._reindex(key, old, obj)
        for handler in self._handlers:
            self._call(handler, old, obj)

    def _remove(self, key: Key, last: R | None = None) -> None:
        """`last`: the object's final state, when a watch told it."""
        objects = self._objects.get(key[0], {})
        old = objects.pop(key[1], None)
        if old is None:
            return
        if not objects:
            del self._objects[key[0]]
        self._reindex(key, old, None)
        for handler in self._handlers:
            self._call(handler, last or old, None)

    def _reindex(self, key: Key, old: R | None, new: R | None) -> None:
        for values, table in self._indexes.values():
            before = set(values(old)) if old is not None else set()
            after = set(values(new)) if new is not None else set()
            for value in before - after:
                del table[value][key]
                if not table[value]:
                    del table[value]
            if new is not None:
                for value in after:
                    table.setdefault(value, {})[key] = new

    def _call(self, handler: Callable[[R | None, R | None], None], old: R | None, new: R | None) -> None:
        try:
            handler(old, new)
        except Exception:  # noqa: BLE001 - one handler's bug must not keep changes from the others
            _log.exception("bug in an informer's handler", extra={"resource": self._resource.plural})


def _key(obj: Resource) -> Key:
    metadata = cast(Any, obj).metadata
    return metadata.namespace or "", metadata.name


def _version(obj: Resource) -> str:
    return str(cast(Any, obj).metadata.resourceVersion)


class Informers:
    """One shared informer per kind; `run` runs all, also those that are asked for later."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs
        self._informers: dict[type[Resource], Informer[Any]] = {}
        self._running: dict[type[Resource], asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def of(self, kind: type[R]) -> Informer[R]:
        informer = self._informers.get(kind)
        if informer is None:
            informer = self._informers[kind] = Informer(self._verbs, kind)
            if self._tasks is not None:
                self._start(self._tasks, kind, informer)
        return informer

    def stop(self, kind: type[Resource]) -> None:
        """End the informer of a kind that is served no longer; who still reads from it sees the last state."""
        self._informers.pop(kind, None)
        task = self._running.pop(kind, None)
        if task is not None:
            task.cancel()

    def _start(self, tasks: asyncio.TaskGroup, kind: type[Resource], informer: Informer[Any]) -> None:
        self._running[kind] = tasks.create_task(informer.run())

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                for kind, informer in self._informers.items():
                    self._start(tasks, kind, informer)
                await asyncio.Event().wait()
            finally:
                self._tasks = None

    async def synced(self) -> None:
        """Wait until every informer asked for so far has taken in its first list."""
        for informer in list(self._informers.values()):
            await informer.synced()
