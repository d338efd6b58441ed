"""Watches from the watch cache, with selectors: an object that begins or ceases to match is ADDED or DELETED.

Called by `Registry`. Whoever opens a watch closes it (it is a context manager).
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from master.api.kinds.kind import Conversion, Kind
from master.api.registry.selection import Selection
from master.api.registry.storage import decode, encode, prefix_of
from master.client.errors import StatusError, gone
from master.client.protocol import RawEvent
from master.store.cache import CacheWatch, WatchCache
from master.store.cached import CachedObject, CacheEvent
from master.store.protocol import Compacted


class ObjectWatch:
    """Batches of events of one kind, never empty. Iterating raises StatusError 410 when the watch is too slow."""

    def __init__(self, kind: Kind, watch: CacheWatch, selection: Selection) -> None:
        self._kind = kind
        self._watch = watch
        self._selection = selection

    @property
    def revision(self) -> int:
        """What a bookmark may carry: everything up to it was handed out."""
        return self._watch.revision

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Sequence[RawEvent]:
        while True:
            try:
                events = await anext(self._watch)
            except Compacted as error:
                raise too_old(error) from error
            kind, selection = self._kind, self._selection
            if kind.conversion is not None:
                events = await _converted(kind.conversion, events)
            found = [seen for event in events if (seen := _seen(kind, selection, event)) is not None]
            if found:
                return found

    def close(self) -> None:
        self._watch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


async def _converted(conversion: Conversion, events: Sequence[CacheEvent]) -> Sequence[CacheEvent]:
    """The events with their objects in the version that is watched."""
    objects = [one for event in events for one in (event.object, event.previous) if one is not None]
    found = await conversion.shown(objects)
    if found is objects:
        return events
    shown_objects = iter(found)
    return [
        replace(
            event,
            object=next(shown_objects),
            previous=next(shown_objects) if event.previous is not None else None,
        )
        for event in events
    ]


def open_watch(cache: WatchCache, kind: Kind, namespace: str, revision: int, selection: Selection) -> ObjectWatch:
    """Raises StatusError 410 when `revision` is older than what the cache remembers."""
    prefix = prefix_of(kind, namespace)
    try:
        return ObjectWatch(kind, cache.watch(prefix, revision), selection)
    except Compacted as error:
        raise too_old(error) from error


def too_old(error: Compacted) -> StatusError:
    return gone(str(error))


def shown(kind: Kind, cached: CachedObject) -> bytes:
    """An object's bytes in the view of this kind."""
    if kind.stored_as is None:
        return cached.raw
    return encode(kind.from_stored(decode(cached.raw)))


def _seen(kind: Kind, selection: Selection, event: CacheEvent) -> RawEvent | None:
    """The event as somebody with this selection sees it."""
    if selection.everything:
        return RawEvent(event.type, shown(kind, event.object), event.revision)
    matches = selection.matches(event.object)
    if event.type != "MODIFIED" or event.previous is None:
        return RawEvent(event.type, shown(kind, event.object), event.revision) if matches else None
    matched = selection.matches(event.previous)
    if matches:
        return RawEvent("MODIFIED" if matched else "ADDED", shown(kind, event.object), event.revision)
    if not matched:
        return None
    # It ceased to match: the watcher gets what it knew, at the revision of the change.
    last = kind.from_stored(decode(event.previous.raw))
    last["metadata"]["resourceVersion"] = str(event.revision)
    return RawEvent("DELETED", encode(last), event.revision)
