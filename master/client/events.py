"""EventRecorder: Kubernetes Events from controllers, scheduler and fleet, correlated as client-go does.

`event` never blocks and never fails: it queues, and `run` (a task of the application) writes. The same event again becomes a
higher count on the first; many that differ only in their message become one "(combined from similar events)"; an object that
floods is cut off after a burst. Whatever does not fit is dropped and counted: events inform, nothing may depend on them.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar, cast

from lightkube.core.resource import Resource, api_info
from lightkube.models.core_v1 import EventSource, ObjectReference
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Event
from prometheus_client import Counter

from master.client.errors import StatusError
from master.client.protocol import Client
from proto.k8s.time import format_time

_log = logging.getLogger(__name__)

V = TypeVar("V")

EventType = Literal["Normal", "Warning"]

#: Objects are divided among writers, so that a burst shares the store's commits while one object's events stay in order.
_WRITERS = 8
_QUEUE = 1_000
#: client-go's defaults: caches of 4,096 entries, one event per 5 minutes and object after a burst of 25, and similar events
#: combined from the tenth within 10 minutes.
_CACHE = 4_096
_SPAM_BURST = 25.0
_SPAM_RATE = 1 / 300
_SIMILAR = 10
_SIMILAR_SECONDS = 600.0
#: Kubernetes' limit of a core Event's message.
_MESSAGE = 1_024
_ATTEMPTS = 3
_RETRY_SECONDS = 1.0

DROPPED = Counter("event_recorder_dropped_total", "Events that were not written", ["component", "reason"])


@dataclass(frozen=True, slots=True)
class _Occurrence:
    involved: ObjectReference
    type: str
    reason: str
    message: str
    at: datetime

    @property
    def object(self) -> tuple[str, ...]:
        ref = self.involved
        return (ref.kind or "", ref.namespace or "", ref.name or "", ref.uid or "", ref.fieldPath or "")

    @property
    def similar(self) -> tuple[str, ...]:
        return (*self.object, self.type, self.reason)

    @property
    def same(self) -> tuple[str, ...]:
        return (*self.similar, self.message)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass(slots=True)
class _Group:
    """Events that differ only in their message."""

    at: float
    messages: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Written:
    name: str
    namespace: str
    count: int


class _Recent(Generic[V]):
    """A bounded map that forgets what was used least recently."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, ...], V] = OrderedDict()

    def get(self, key: tuple[str, ...]) -> V | None:
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: tuple[str, ...], entry: V) -> V:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        if len(self._entries) > _CACHE:
            self._entries.popitem(last=False)
        return entry

    def drop(self, key: tuple[str, ...]) -> None:
        self._entries.pop(key, None)


class _Correlator:
    """Decides which occurrences are written, and under which message. Times in seconds of any steady clock."""

    def __init__(self) -> None:
        self._buckets: _Recent[_Bucket] = _Recent()
        self._groups: _Recent[_Group] = _Recent()

    def allows(self, occurrence: _Occurrence, now: float) -> bool:
        bucket = self._buckets.get(occurrence.object) or self._buckets.put(occurrence.object, _Bucket(_SPAM_BURST, now))
        bucket.tokens = min(_SPAM_BURST, bucket.tokens + (now - bucket.at) * _SPAM_RATE)
        bucket.at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def correlate(self, occurrence: _Occurrence, now: float) -> tuple[tuple[str, ...], str]:
        """The key under which it is counted, and its message."""
        group = self._groups.get(occurrence.similar)
        if group is None or now - group.at > _SIMILAR_SECONDS:
            group = self._groups.put(occurrence.similar, _Group(now))
        group.at = now
        if len(group.messages) < _SIMILAR:
            group.messages.add(occurrence.message)
        if len(group.messages) < _SIMILAR:
            return occurrence.same, occurrence.message
        return occurrence.similar, f"(combined from similar events): {occurrence.message}"[:_MESSAGE]


def reference(obj: Resource, *, field_path: str | None = None) -> ObjectReference:
    """An ObjectReference to a typed object."""
    metadata: ObjectMeta = cast(Any, obj).metadata
    resource = api_info(type(obj)).resource
    return ObjectReference(
        apiVersion=resource.api_version,
        kind=resource.kind,
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        resourceVersion=metadata.resourceVersion,
        fieldPath=field_path,
    )


class EventRecorder:
    """Events of one component. `host`: the node that they come from, "" in the master."""

    def __init__(self, client: Client, component: str, host: str = "") -> None:
        self._client = client
        self._component = component
        self._host = host
        self._queues = [asyncio.Queue[_Occurrence](_QUEUE) for _ in range(_WRITERS)]
        self._correlator = _Correlator()
        self._written: _Recent[_Written] = _Recent()

    def event(self, obj: Resource | ObjectReference, type_: EventType, reason: str, message: str) -> None:
        """Record what happened to an object. `reason`: one CamelCase word that does not change; `message`: for people."""
        involved = obj if isinstance(obj, ObjectReference) else reference(obj)
        occurrence = _Occurrence(
            involved=involved, type=type_, reason=reason, message=_shortened(message), at=datetime.now(UTC)
        )
        try:
            self._queues[hash(occurrence.object) % _WRITERS].put_nowait(occurrence)
        except asyncio.QueueFull:
            DROPPED.labels(self._component, "queue_full").inc()

    async def run(self) -> None:
        """Write events until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for queue in self._queues:
                tasks.create_task(self._work(queue))

    async def _work(self, queue: asyncio.Queue[_Occurrence]) -> None:
        while True:
            occurrence = await queue.get()
            now = time.monotonic()
            if not self._correlator.allows(occurrence, now):
                DROPPED.labels(self._component, "spam").inc()
                continue
            key, message = self._correlator.correlate(occurrence, now)
            await self._write(key, occurrence, message)

    async def _write(self, key: tuple[str, ...], occurrence: _Occurrence, message: str) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                if not await self._count(key, occurrence, message):
                    await self._create(key, occurrence, message)
                return
            except StatusError as error:
                if error.code < 500 and error.code != 429:
                    # Such as a namespace that is being deleted: no later attempt can succeed.
                    _log.debug("event refused: %s", error, extra={"component": self._component})
                    break
                if attempt + 1 < _ATTEMPTS:
                    await asyncio.sleep(_RETRY_SECONDS * (attempt + 1))
        DROPPED.labels(self._component, "refused").inc()

    async def _count(self, key: tuple[str, ...], occurrence: _Occurrence, message: str) -> bool:
        """Raise the count of the event that was written for this key; False when there is none (any more)."""
        written = self._written.get(key)
        if written is None:
            return False
        patch = {
            "count": written.count + 1,
            "lastTimestamp": format_time(occurrence.at),
            "message": message,
        }
        try:
            await self._client.patch(Event, written.name, written.namespace, patch)
        except StatusError as error:
            if error.code != 404:
                raise
            self._written.drop(key)
            return False
        written.count += 1
        return True

    async def _create(self, key: tuple[str, ...], occurrence: _Occurrence, message: str) -> None:
        involved = occurrence.involved
        namespace = involved.namespace or "default"
        name = f"{involved.name}.{time.time_ns():x}"
        at = occurrence.at.replace(microsecond=0)
        await self._client.create(
            Event(
                involvedObject=involved,
                metadata=ObjectMeta(name=name, namespace=namespace),
                type=occurrence.type,
                reason=occurrence.reason,
                message=message,
                count=1,
                firstTimestamp=at,
                lastTimestamp=at,
                source=EventSource(component=self._component, host=self._host or None),
                reportingComponent=self._component,
                reportingInstance=self._host,
            )
        )
        self._written.put(key, _Written(name=name, namespace=namespace, count=1))


def _shortened(message: str) -> str:
    return message if len(message) <= _MESSAGE else message[: _MESSAGE - 3] + "..."
