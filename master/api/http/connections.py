"""Connections: how long a client may take to send the head of a request, and how many connections there may be.

    accepted ─► head awaited ─► answering ─► idle ─► head awaited (its first byte came) ─► …
                 │ header_timeout                │ keep-alive time-out (aiohttp's)
                 └─► closed                      └─► closed, also when a new connection needs the place

aiohttp ends idle connections and bodies have their own time-out; half-sent heads are ended here (a slow loris keeps a
connection alive with a byte now and then). One sweep looks at the oldest: no connection has a timer of its own. What is being
answered is never closed for a newcomer.
"""

import asyncio
import logging
import resource
from collections import OrderedDict
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

_log = logging.getLogger(__name__)

#: Longest request line and header, and how many headers: exec with a long command is a long line, a token a long header.
MAX_LINE_BYTES = 128 * 1024
MAX_HEADER_BYTES = 32 * 1024
MAX_HEADERS = 128
#: File descriptors that are not for clients: store, broker, webhooks, logs.
_OWN_FILES = 128
_TOO_LARGE = "431 Request Header Fields Too Large"


class Connections:
    """Counts and bounds the connections of one server."""

    def __init__(self, limit: int, header_seconds: float) -> None:
        """`limit`: of connections; the process' limit of open files bounds it further."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._limit = min(limit, max(files - _OWN_FILES, 16)) if files != resource.RLIM_INFINITY else limit
        self._header_seconds = header_seconds
        self._open = 0
        #: Connections whose next head is awaited or half there, since when; the oldest first.
        self._heads: OrderedDict[Connection, float] = OrderedDict()
        #: Connections between two requests, the longest idle first.
        self._idle: OrderedDict[Connection, None] = OrderedDict()

    async def run(self) -> None:
        """End late heads until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(0.05, min(self._header_seconds / 8, 4.0)))
            late = loop.time() - self._header_seconds
            while self._heads:
                connection, since = next(iter(self._heads.items()))
                if since > late:
                    break
                del self._heads[connection]
                connection.force_close()

    def opened(self, connection: "Connection") -> None:
        self._open += 1
        if self._open > self._limit and not self._make_room():
            connection.force_close()
            return
        self._heads[connection] = asyncio.get_running_loop().time()

    def closed(self, connection: "Connection") -> None:
        self._open -= 1
        self._heads.pop(connection, None)
        self._idle.pop(connection, None)

    def heard(self, connection: "Connection") -> None:
        """Bytes came: of an idle connection they begin a head."""
        if connection in self._idle:
            del self._idle[connection]
            self._heads[connection] = asyncio.get_running_loop().time()

    def began(self, request: web.Request) -> None:
        """A request's head is whole."""
        self._heads.pop(request.protocol, None)  # type: ignore[call-overload]

    def ended(self, request: web.Request) -> None:
        """A request is answered."""
        connection = request.protocol
        if isinstance(connection, Connection) and connection.transport is not None:
            self._idle[connection] = None

    def _make_room(self) -> bool:
        """Close whoever is idle longest, or else whoever began a head longest ago and may never send it."""
        victims: OrderedDict[Connection, Any] = self._idle or self._heads
        if not victims:
            return False
        connection, _ = victims.popitem(last=False)
        connection.force_close()
        return True


class Connection(web.RequestHandler):
    """aiohttp's connection, which tells `Connections` what happens to it."""

    __slots__ = ("_connections", "_counted")

    def __init__(self, connections: Connections, server: web.Server, **settings: Any) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
            **settings,
        )
        self._connections = connections
        self._counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._counted = True
        self._connections.opened(self)

    def data_received(self, data: bytes) -> None:
        self._connections.heard(self)
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._counted:
            self._counted = False
            self._connections.closed(self)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is no HTTP gets 400 from aiohttp; a head that is too large gets Go's answer instead."""
        if isinstance(exc, LineTooLong):
            response = web.Response(status=431, text=_TOO_LARGE)
            response.force_close()
            return response
        return super().handle_error(request, status, exc, message)
