"""Removes Events whose time to live is over, as kube-apiserver's --event-ttl. Run by `master.app`.

An Event lives on from each time that it is seen again: its newest time stamp counts, or its creation when that is newer. What
a clock that is ahead wrote counts as now; a stamp beyond that says nothing.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from master.api.registry.registry import Registry
from master.api.registry.storage import prefix_of
from master.client.errors import StatusError
from master.client.protocol import DeleteOptions, ResourceRef
from master.store.cache import WatchCache
from master.store.cached import CachedObject

log = logging.getLogger(__name__)

_EVENTS = ResourceRef("", "v1", "events")
#: Seconds between two looks at all Events; a shorter time to live is looked at more often.
_PERIOD = 60.0
_LOOKS_PER_TTL = 4
#: Events that are read before others get their turn on the event loop, and deleted at once: they share the store's commits.
_BATCH = 256
_DELETIONS = 16


class _Meta(msgspec.Struct):
    creationTimestamp: datetime


class _Series(msgspec.Struct):
    lastObservedTime: datetime | None = None


class _Times(msgspec.Struct):
    metadata: _Meta
    lastTimestamp: datetime | None = None
    eventTime: datetime | None = None
    series: _Series | None = None


_times = msgspec.json.Decoder(_Times)


class EventExpiry:
    """`ttl_seconds` from the last time that an Event was seen."""

    def __init__(self, registry: Registry, cache: WatchCache, *, ttl_seconds: float) -> None:
        self._registry = registry
        self._cache = cache
        self._ttl = timedelta(seconds=ttl_seconds)
        self._period = min(_PERIOD, ttl_seconds / _LOOKS_PER_TTL)
        self._prefix = prefix_of(registry.kind(_EVENTS))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.expire()
            await asyncio.sleep(self._period)

    async def expire(self) -> None:
        """One look at all Events. What cannot be deleted now is tried again by the next."""
        events, _ = self._cache.list(self._prefix)
        now = datetime.now(UTC)
        expired: list[CachedObject] = []
        for start in range(0, len(events), _BATCH):
            expired += (event for event in events[start : start + _BATCH] if self._is_over(event, now))
            await asyncio.sleep(0)
        try:
            for start in range(0, len(expired), _DELETIONS):
                await self._delete(expired[start : start + _DELETIONS])
        except* StatusError as group:
            log.warning("events were not removed: %s", group.exceptions[0])

    def _is_over(self, event: CachedObject, now: datetime) -> bool:
        times = _times.decode(event.raw)
        return last_seen(_stamps(times), created=times.metadata.creationTimestamp, now=now, ttl=self._ttl) + self._ttl <= now

    async def _delete(self, events: Sequence[CachedObject]) -> None:
        """Raises StatusError in a group."""
        async with asyncio.TaskGroup() as tasks:
            for event in events:
                tasks.create_task(self._delete_one(event))

    async def _delete_one(self, event: CachedObject) -> None:
        options = DeleteOptions(resource_version=str(event.revision))
        try:
            await self._registry.delete(_EVENTS, event.namespace, event.name, options)
        except StatusError as error:
            if error.code not in (404, 409):  # gone, or seen again
                raise


def last_seen(stamps: Iterable[datetime], *, created: datetime, now: datetime, ttl: timedelta) -> datetime:
    """When an Event was seen last, as far as its time stamps can be believed. Pure."""
    return max([created, *(min(stamp, now) for stamp in stamps if stamp <= now + ttl)])


def _stamps(times: _Times) -> list[datetime]:
    found = (times.lastTimestamp, times.eventTime, times.series.lastObservedTime if times.series is not None else None)
    return [stamp for stamp in found if stamp is not None]
