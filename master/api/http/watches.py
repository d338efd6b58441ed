"""GET with watch=true: a stream of events, one JSON object per line, until its time is up or the client goes.

Over a WebSocket each event is a message of its own, as some client libraries ask for.

The events of one batch leave in one write. A client that does not read makes only its own watch fall behind; the watch cache
then drops it, and it is told 410 to start anew.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from master.api.http.forms import IncludeObject, bookmark_in_form, watched_in_form
from master.api.http.negotiation import Accepted
from master.api.http.query import is_true
from master.api.kinds.kind import Kind
from master.api.registry.listing import ListQuery, parse_revision, wait_until_shown
from master.api.registry.registry import Registry
from master.api.registry.selection import Selection
from master.api.registry.storage import encode
from master.api.registry.watching import ObjectWatch, shown
from master.api.settings import ApiSettings
from master.api.streaming.websocket import BytesSocket, is_websocket
from master.client.errors import Cause, StatusError, invalid
from master.client.protocol import RawEvent

#: No watch lasts longer, whatever the client asks.
_MAX_SECONDS = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class WatchQuery:
    """What a watch asks for. `initial`: the state is sent as ADDED events first."""

    selection: Selection
    revision: int
    initial: bool
    initial_bookmark: bool
    bookmarks: bool
    seconds: float


def parse(request: web.Request, selection: Selection, settings: ApiSettings) -> WatchQuery:
    """Raises StatusError 400 or 422."""
    query = request.query
    version = query.get("resourceVersion", "")
    revision = parse_revision(version)
    bookmarks = is_true(query.get("allowWatchBookmarks", ""))
    match = query.get("resourceVersionMatch", "")
    send_initial = query.get("sendInitialEvents", "")
    initial_events = is_true(send_initial)
    causes = []
    if send_initial and match != "NotOlderThan":
        text = "Forbidden: resourceVersionMatch is required when sendInitialEvents is set and must be NotOlderThan"
        causes.append(Cause("resourceVersionMatch", "FieldValueForbidden", text))
    elif match and not send_initial:
        text = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        causes.append(Cause("resourceVersionMatch", "FieldValueForbidden", text))
    if initial_events and not bookmarks:
        text = "Forbidden: sendInitialEvents requires setting allowWatchBookmarks to true"
        causes.append(Cause("sendInitialEvents", "FieldValueForbidden", text))
    if causes:
        raise invalid("ListOptions", "meta.k8s.io", "", causes)
    asked = query.get("timeoutSeconds", "")
    seconds = min(float(asked), _MAX_SECONDS) if asked.isascii() and asked.isdigit() else 0.0
    return WatchQuery(
        selection=selection,
        revision=revision,
        initial=initial_events or (not send_initial and version in ("", "0")),
        initial_bookmark=initial_events,
        bookmarks=bookmarks,
        seconds=seconds or settings.min_watch_seconds * (1 + random.random()),
    )


class WatchResponder:
    def __init__(self, registry: Registry, settings: ApiSettings) -> None:
        self._registry = registry
        self._settings = settings

    async def respond(
        self,
        request: web.Request,
        kind: Kind,
        namespace: str,
        query: WatchQuery,
        *,
        accepted: Accepted,
        include: IncludeObject,
    ) -> web.StreamResponse:
        """Raises StatusError before the stream begins; later errors are ERROR events in it."""
        writer = _Writer(kind, accepted, include)
        first: list[bytes] = []
        revision = query.revision
        if revision:
            await wait_until_shown_or_watch(self._registry, revision, query)
        if query.initial:
            page = await self._registry.page(kind, namespace, ListQuery(query.selection))
            revision = page.revision
            first = [writer.event("ADDED", shown(kind, cached)) for cached in page.objects]
            if query.initial_bookmark:
                first.append(writer.bookmark(revision, initial_events_end=True))
        elif not revision:
            revision = self._registry.revision
        try:
            watch = self._registry.open_watch(kind, namespace, revision, query.selection)
        except StatusError as error:
            # kube-apiserver says so inside the stream: that is where clients look for it.
            return await _only_error(request, error)
        with watch:
            if is_websocket(request):
                return await self._over_websocket(request, first, watch, writer, query)
            response = _stream(request)
            await response.prepare(request)
            if request.method == "HEAD":
                return response  # has no body: what is written would be taken for the next answer's head
            if first:
                await response.write(b"".join(first))
            await self._follow(response, watch, writer, query)
        return response

    async def _over_websocket(
        self, request: web.Request, first: Sequence[bytes], watch: ObjectWatch, writer: "_Writer", query: WatchQuery
    ) -> web.StreamResponse:
        socket = await BytesSocket.open(request)
        sink = _Messages(socket)
        async with asyncio.TaskGroup() as tasks:
            for line in first:
                await sink.write(line)
            following = tasks.create_task(self._follow(sink, watch, writer, query))
            leaving = tasks.create_task(socket.client_left())
            await asyncio.wait((following, leaving), return_when=asyncio.FIRST_COMPLETED)
            following.cancel()
            leaving.cancel()
        return await socket.close()

    async def _follow(self, response: "_Sink", watch: ObjectWatch, writer: "_Writer", query: WatchQuery) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + query.seconds
        period = self._settings.bookmark_seconds
        next_bookmark = loop.time() + period * (0.75 + random.random() / 2) if query.bookmarks else end
        while True:
            try:
                async with asyncio.timeout_at(min(end, next_bookmark)):
                    batch = await anext(watch)
            except TimeoutError:
                if query.bookmarks:
                    await response.write(writer.bookmark(watch.revision))
                if loop.time() >= end:
                    return
                next_bookmark = loop.time() + period
                continue
            except StatusError as error:
                await response.write(_line("ERROR", encode(error.body)))
                return
            await response.write(writer.batch(batch))


class _Sink(Protocol):
    """Where lines of events go."""

    async def write(self, data: bytes) -> None: ...


class _Messages:
    """Lines as messages of a WebSocket."""

    def __init__(self, socket: BytesSocket) -> None:
        self._socket = socket

    async def write(self, data: bytes) -> None:
        for line in data.splitlines(keepends=True):
            await self._socket.write_text(line)


class _Writer:
    """Encodes the events of one watch."""

    def __init__(self, kind: Kind, accepted: Accepted, include: IncludeObject) -> None:
        self._kind = kind
        self._accepted = accepted
        self._include = include
        self._first = True

    def batch(self, events: Sequence[RawEvent]) -> bytes:
        return b"".join([self.event(event.type, event.object) for event in events])

    def event(self, event_type: str, raw: bytes) -> bytes:
        if self._accepted.form:
            raw = watched_in_form(self._kind, raw, self._accepted, self._include, first=self._first)
            self._first = False
        return _line(event_type, raw)

    def bookmark(self, revision: int, *, initial_events_end: bool = False) -> bytes:
        raw = bookmark_in_form(self._kind, revision, self._accepted, initial_events_end=initial_events_end)
        return _line("BOOKMARK", raw)


async def wait_until_shown_or_watch(registry: Registry, revision: int, query: WatchQuery) -> None:
    """Initial events must not be older than what the client has seen; a plain watch may begin in the future."""
    if query.initial:
        await wait_until_shown(registry.storage.cache, revision)


def _line(event_type: str, raw: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (event_type.encode(), raw)


def _stream(request: web.Request) -> web.StreamResponse:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
    return web.StreamResponse(headers=headers)


async def _only_error(request: web.Request, error: StatusError) -> web.StreamResponse:
    if is_websocket(request):
        socket = await BytesSocket.open(request)
        await socket.write_text(_line("ERROR", encode(error.body)))
        return await socket.close()
    response = _stream(request)
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    await response.write(_line("ERROR", encode(error.body)))
    return response
