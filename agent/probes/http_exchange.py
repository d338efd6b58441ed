"""One HTTP GET over a connection of its own, on a bare asyncio protocol. Used by the HTTP prober.

A client library's session costs several times what the exchange itself does, and a node makes hundreds of probes a second
(measured in bench/README). So this knows just what a probe asks of HTTP/1.1: a status, where a redirect leads, and the first
bytes of the body, until it ends by its length, its last chunk or the connection's end.
"""

import asyncio
import re
import ssl
from dataclasses import dataclass
from functools import cache
from typing import cast

from agent.probes.protocol import MAX_OUTPUT

_MAX_HEAD = 64 * 1024
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/\d\.\d (\d{3})(?: |$)")


class MalformedResponse(Exception):
    """What answered does not speak HTTP; the message is Go's."""


@dataclass(frozen=True, slots=True)
class Response:
    """location: of a redirect, "" without. body: at most MAX_OUTPUT bytes."""

    status: int
    location: str
    body: bytes


async def get(host: str, port: int, request: bytes, *, tls: bool) -> Response:
    """Send a request and read its answer. The caller bounds the time. Raises OSError, MalformedResponse."""
    loop = asyncio.get_running_loop()
    transport, exchange = await loop.create_connection(
        lambda: _Exchange(request, loop.create_future()), host, port, ssl=_unverified() if tls else None
    )
    try:
        return await exchange.answer
    finally:
        transport.abort()


@cache
def _unverified() -> ssl.SSLContext:
    """As kubelet: a probe does not ask who answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _Exchange(asyncio.Protocol):
    def __init__(self, request: bytes, answer: "asyncio.Future[Response]") -> None:
        self.answer = answer
        self._request = request
        self._data = bytearray()
        self._status = 0
        self._location = ""
        self._body = bytearray()
        self._length: int | None = None
        self._chunks: _Chunks | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's.
        cast(asyncio.WriteTransport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        if self.answer.done():
            return
        try:
            if self._status:
                self._take(data)
            else:
                self._data += data
                self._read_head()
        except MalformedResponse as error:
            self.answer.set_exception(error)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answer.done():
            return
        if exc is not None:
            self.answer.set_exception(exc if isinstance(exc, OSError) else OSError(str(exc)))
        elif not self._status:
            self.answer.set_exception(MalformedResponse("EOF"))
        elif self._length is None and self._chunks is None:
            self._done()
        else:
            self.answer.set_exception(MalformedResponse("unexpected EOF"))

    def _read_head(self) -> None:
        """Take the head once it is whole; informational ones (1xx) come before the real one."""
        while (end := _END_OF_HEAD.search(self._data)) is not None:
            head, rest = bytes(self._data[: end.start()]), bytes(self._data[end.end() :])
            first, *lines = head.splitlines()
            match = _STATUS.match(first)
            if match is None:
                raise _malformed(first)
            status = int(match.group(1))
            if 100 <= status < 200 and status != 101:
                self._data = bytearray(rest)
                continue
            self._status = status
            self._headers(lines)
            if status in (101, 204, 304) or self._length == 0:
                self._done()
            elif rest:
                self._take(rest)
            return
        if self._data[:5] != b"HTTP/"[: len(self._data)]:
            raise _malformed(bytes(self._data.split(b"\n", 1)[0]))
        if len(self._data) > _MAX_HEAD:
            raise MalformedResponse(f"net/http: server response headers exceeded {_MAX_HEAD} bytes; aborted")

    def _headers(self, lines: list[bytes]) -> None:
        for line in lines:
            name, _, raw = line.partition(b":")
            value = raw.strip().decode("latin-1")
            match name.lower():
                case b"location":
                    self._location = value
                case b"content-length" if self._chunks is None:
                    if not value.isdecimal():
                        raise MalformedResponse(f'bad Content-Length "{value}"')
                    self._length = int(value)
                case b"transfer-encoding" if value.lower() == "chunked":
                    self._chunks, self._length = _Chunks(), None

    def _take(self, data: bytes) -> None:
        body, over = self._chunks.take(data) if self._chunks is not None else (data, False)
        self._body += body
        if over or len(self._body) >= MAX_OUTPUT or (self._length is not None and len(self._body) >= self._length):
            self._done()

    def _done(self) -> None:
        self.answer.set_result(Response(self._status, self._location, bytes(self._body[:MAX_OUTPUT])))


class _Chunks:
    """The chunked transfer coding; trailers are not waited for."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._left = 0

    def take(self, data: bytes) -> tuple[bytes, bool]:
        """The body's bytes in this piece, and whether the last chunk began. Raises MalformedResponse."""
        self._data += data
        body = bytearray()
        while self._data:
            if self._left:
                piece = self._data[: self._left]
                del self._data[: len(piece)]
                self._left -= len(piece)
                body += piece
                continue
            line, newline, rest = self._data.partition(b"\n")
            if not newline:
                if len(line) > 1024:
                    raise MalformedResponse("malformed chunked encoding")
                break
            text = bytes(line.partition(b";")[0].strip())
            self._data = rest
            if not text:  # the end of the chunk before
                continue
            try:
                self._left = int(text, 16)
            except ValueError:
                raise MalformedResponse("malformed chunked encoding") from None
            if self._left <= 0:
                return bytes(body), True
        return bytes(body), False


def _malformed(line: bytes) -> MalformedResponse:
    shown = line[:256].decode("latin-1").replace("\\", "\\\\").replace('"', '\\"')
    shown = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in shown)
    return MalformedResponse(f'net/http: HTTP/1.x transport connection broken: malformed HTTP response "{shown}"')
