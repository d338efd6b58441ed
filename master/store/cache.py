"""WatchCache: the whole registry in memory; it serves every get, list and watch of the API.

Fed by one watch on the store. The API reads from it and writes to the store; after a write, `wait_for` with the write's
revision makes the cache show it (and `await cache.wait_for(await store.revision())` makes a read as fresh as the store).

Objects lie in one `_Collection` per resource ("/registry/apps/deployments/"), with a bounded history of their own, so that a
busy resource does not push out a quiet one's. Watches are found by their exact prefix: an event costs nothing to the watches
of other prefixes. A watch that does not keep up is dropped with TooSlow; nothing ever waits for it.
"""

import asyncio
import logging
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from msgspec.structs import replace

from master.store.cached import CachedObject, CacheEvent, cache_event, cached
from master.store.protocol import Compacted, Store, StoreEvent, Unavailable

_log = logging.getLogger(__name__)

#: The history of one resource ends at whichever of these comes first.
_HISTORY_EVENTS = 4_096
_HISTORY_BYTES = 8 << 20
#: Events that a watch may leave waiting before it is dropped.
_MAX_BEHIND = 4_096
#: How many revisions before the start are read back, so that watches survive a restart of the master.
_REPLAY = 4_096
_RETRY_SECONDS = 1.0


class TooSlow(Compacted):
    """The watch left too many events waiting; start anew from a list."""


class CacheListener(Protocol):
    """Is told each change of one resource at once, before any reader sees its revision. Neither method waits or raises."""

    def reset(self, objects: Sequence[CachedObject]) -> None:
        """Everything there is, in key order; what was told before no longer counts."""
        ...

    def apply(self, event: CacheEvent) -> None:
        """One change."""
        ...


class CacheWatch:
    """An iterator over batches of events, never empty ones. Cancelling a wait for the next batch loses nothing.

    Close it (it is a context manager); one that is forgotten is dropped when its queue is full.
    """

    def __init__(self, cache: "WatchCache", prefix: str, behind: Sequence[CacheEvent]) -> None:
        self._cache = cache
        self._prefix = prefix
        self._events = list(behind)
        self._ready = asyncio.Event()
        self._error: Compacted | None = None
        if self._events:
            self._ready.set()

    @property
    def revision(self) -> int:
        """The revision up to which everything was handed out: what a bookmark may carry."""
        return self._events[0].revision - 1 if self._events else self._cache.revision

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Sequence[CacheEvent]:
        """Raises Compacted (the cache began anew) or TooSlow."""
        await self._ready.wait()
        if self._error is not None:
            raise self._error
        events, self._events = self._events, []
        self._ready.clear()
        return events

    def offer(self, event: CacheEvent) -> bool:
        """Called by the cache; False when the watch is too slow and was dropped."""
        if len(self._events) >= _MAX_BEHIND:
            self.drop(TooSlow(f"the watch of {self._prefix} is {_MAX_BEHIND} events behind"))
            return False
        self._events.append(event)
        self._ready.set()
        return True

    def drop(self, error: Compacted) -> None:
        """Called by the cache: end with this error."""
        self._events = []
        self._error = error
        self._ready.set()

    def close(self) -> None:
        self._cache.forget(self._prefix, self)
        self.drop(Compacted("closed"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Collection:
    """The objects of one resource, in key order, and what changed lately."""

    def __init__(self, floor: int) -> None:
        self.objects: dict[str, CachedObject] = {}
        self.history: deque[CacheEvent] = deque()
        #: Events up to this revision are forgotten.
        self.floor = floor
        self._keys: list[str] = []
        self._bytes = 0

    def put(self, obj: CachedObject) -> None:
        if obj.key not in self.objects:
            if self._keys and obj.key < self._keys[-1]:
                insort(self._keys, obj.key)
            else:
                self._keys.append(obj.key)
        self.objects[obj.key] = obj

    def remove(self, key: str) -> None:
        if self.objects.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]

    def remember(self, event: CacheEvent) -> None:
        self.history.append(event)
        self._bytes += len(event.object.raw)
        while len(self.history) > _HISTORY_EVENTS or self._bytes > _HISTORY_BYTES:
            oldest = self.history.popleft()
            self._bytes -= len(oldest.object.raw)
            self.floor = oldest.revision

    def since(self, prefix: str, after: int) -> list[CacheEvent]:
        if after < self.floor:
            raise Compacted(f"too old resource version: {after} ({self.floor + 1})")
        found = []
        for event in reversed(self.history):
            if event.revision <= after:
                break
            if event.object.key.startswith(prefix):
                found.append(event)
        found.reverse()
        return found

    def under(self, prefix: str) -> Sequence[CachedObject]:
        objects = self.objects
        start = bisect_left(self._keys, prefix)
        found = []
        for index in range(start, len(self._keys)):
            key = self._keys[index]
            if not key.startswith(prefix):
                break
            found.append(objects[key])
        return found

    def as_of(self, prefix: str, revision: int) -> Sequence[CachedObject]:
        """`under`, with everything after a revision taken back. Raises Compacted."""
        if revision < self.floor:
            raise Compacted(f"too old resource version: {revision} ({self.floor + 1})")
        before: dict[str, CachedObject | None] = {}
        for event in reversed(self.history):
            if event.revision <= revision:
                break
            if event.object.key.startswith(prefix):
                before[event.object.key] = event.previous
        if not before:
            return self.under(prefix)
        objects = {obj.key: obj for obj in self.under(prefix)} | before
        return [obj for _, obj in sorted(objects.items()) if obj is not None]


class WatchCache:
    """`prefix`: of all keys that hold objects; below it come group, resource, namespace and name (see the store's keys).

    `run` once; the rest from the same event loop, after `synced`.
    """

    def __init__(self, store: Store, prefix: str = "/registry/") -> None:
        self._store = store
        self._prefix = prefix
        self._revision = 0
        #: Where a collection begins whose first object comes after the start.
        self._floor = 0
        self._collections: dict[str, _Collection] = {}
        self._watches: dict[str, set[CacheWatch]] = {}
        self._listeners: dict[str, list[CacheListener]] = {}
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._synced = asyncio.Event()

    @property
    def revision(self) -> int:
        """Everything up to this revision is shown."""
        return self._revision

    async def synced(self) -> None:
        """Wait until the first load is done."""
        await self._synced.wait()

    # Reads

    def get(self, key: str) -> CachedObject | None:
        collection = self._collections.get(self._resource(key))
        return collection.objects.get(key) if collection else None

    def list(self, prefix: str) -> tuple[Sequence[CachedObject], int]:
        """Objects in key order and the revision that they are as of. `prefix` names a resource, or a namespace of it."""
        collection = self._collections.get(self._resource(prefix))
        return (collection.under(prefix) if collection else ()), self._revision

    def list_at(self, prefix: str, revision: int) -> Sequence[CachedObject]:
        """Objects in key order as of a revision that the cache has shown. Raises Compacted when it is forgotten."""
        collection = self._collections.get(self._resource(prefix))
        if collection is not None:
            return collection.as_of(prefix, revision)
        if revision < self._floor:
            raise Compacted(f"too old resource version: {revision} ({self._floor + 1})")
        return ()

    def watch(self, prefix: str, after: int) -> CacheWatch:
        """Events after a revision, without gap or repeat, registered at once. Raises Compacted.

        `prefix`: of a resource or one of its namespaces, with the slash at its end, or the key of one object.
        """
        collection = self._collections.get(self._resource(prefix))
        if collection is not None:
            behind = collection.since(prefix, after)
        elif after < self._floor:
            raise Compacted(f"too old resource version: {after} ({self._floor + 1})")
        else:
            behind = []
        watch = CacheWatch(self, prefix, behind)
        self._watches.setdefault(prefix, set()).add(watch)
        return watch

    def forget(self, prefix: str, watch: CacheWatch) -> None:
        """Called by a watch that is closed."""
        watches = self._watches.get(prefix)
        if watches is not None:
            watches.discard(watch)
            if not watches:
                del self._watches[prefix]

    def listen(self, prefix: str, listener: CacheListener) -> None:
        """Tell a part of the master every change of a resource, for as long as the cache lives.

        For what must never lag behind the readers (who may do what). `prefix` names a resource.
        """
        self._listeners.setdefault(prefix, []).append(listener)
        listener.reset(self.list(prefix)[0])

    async def wait_for(self, revision: int) -> None:
        """Wait until everything up to a revision is shown; the caller sets the time-out."""
        if self._synced.is_set() and self._revision >= revision:
            return
        shown: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((revision, shown))
        await shown

    # Feeding

    async def run(self) -> None:
        """Follow the store until cancelled. Raises Corrupt; waits when the store is unavailable."""
        loaded = False
        while True:
            try:
                if not loaded:
                    await self._load()
                    loaded = True
                await self._follow()
            except Compacted:
                # The store forgot what this cache has not seen: only a new load is without a gap.
                _log.warning("watch cache is behind the store's compaction; loading anew", extra={"revision": self._revision})
                loaded = False
            except Unavailable as error:
                _log.warning("store unavailable; watch cache retries", extra={"error": str(error)})
                await asyncio.sleep(_RETRY_SECONDS)

    async def _load(self) -> None:
        found, revision = await self._store.range(self._prefix)
        events, floor = await self._replay(revision)
        collections: dict[str, _Collection] = {}
        for kv in found:
            collections.setdefault(self._resource(kv.key), _Collection(floor)).put(cached(kv))
        self._collections = collections
        self._floor = floor
        self._remember(events)
        for prefix, listeners in self._listeners.items():
            collection = collections.get(prefix)
            for listener in listeners:
                listener.reset(collection.under(prefix) if collection else ())
        self._revision = revision
        for watches in list(self._watches.values()):
            for watch in watches:
                watch.drop(Compacted("the watch cache was loaded anew"))
        self._watches.clear()
        self._synced.set()
        self._show()

    async def _replay(self, revision: int) -> tuple[Sequence[StoreEvent], int]:
        """What the store remembers before a revision, and the revision after which that is complete."""
        depth = min(_REPLAY, revision)
        while depth:
            events: list[StoreEvent] = []
            try:
                async for batch in self._store.watch("", revision - depth):
                    events.extend(event for event in batch if event.revision <= revision)
                    if batch[-1].revision >= revision:
                        return events, revision - depth
            except Compacted:
                depth //= 2
        return (), revision

    def _remember(self, events: Sequence[StoreEvent]) -> None:
        """Fill the histories with events that the loaded objects hold already, sharing their bytes."""
        last: dict[str, CachedObject] = {}
        for event in events:
            if event.key.startswith(self._prefix):
                collection = self._collection(event.key)
                change = cache_event(event, last.get(event.key))
                current = collection.objects.get(event.key)
                if current is not None and current.revision == event.revision:
                    change = replace(change, object=current)
                last[event.key] = change.object
                collection.remember(change)

    async def _follow(self) -> None:
        # Every key, not only objects: the revision must keep up with all that is written.
        async for batch in self._store.watch("", self._revision):
            for event in batch:
                if event.key.startswith(self._prefix):
                    self._apply(event)
                self._revision = event.revision
            self._show()

    def _apply(self, event: StoreEvent) -> None:
        resource = self._resource(event.key)
        collection = self._collection(event.key)
        change = cache_event(event, collection.objects.get(event.key))
        if event.current is None:
            collection.remove(event.key)
        else:
            collection.put(change.object)
        collection.remember(change)
        for listener in self._listeners.get(resource, ()):
            listener.apply(change)
        namespace = event.key[len(resource) :].partition("/")[0]
        for prefix in (resource, f"{resource}{namespace}/", event.key):
            watches = self._watches.get(prefix)
            if watches:
                slow = [watch for watch in watches if not watch.offer(change)]
                for watch in slow:
                    self.forget(prefix, watch)

    def _show(self) -> None:
        """Wake who waited for what is shown now."""
        waiting, self._waiting = self._waiting, []
        for revision, shown in waiting:
            if shown.done():
                continue
            if revision <= self._revision:
                shown.set_result(None)
            else:
                self._waiting.append((revision, shown))

    def _collection(self, key: str) -> _Collection:
        resource = self._resource(key)
        collection = self._collections.get(resource)
        if collection is None:
            collection = self._collections[resource] = _Collection(self._floor)
        return collection

    def _resource(self, key: str) -> str:
        """The part of a key that names its resource."""
        parts = key[len(self._prefix) :].split("/", 2)
        if len(parts) < 3 or not key.startswith(self._prefix):
            raise ValueError(f"{key} names no resource below {self._prefix}")
        return f"{self._prefix}{parts[0]}/{parts[1]}/"
