"""A two-way byte connection that was an HTTP request: taken over after 101, or tunnelled in WebSocket binary messages."""

import asyncio
from collections.abc import Mapping
from typing import Protocol, cast

from aiohttp import WSMsgType, web
from aiohttp.abc import AbstractStreamWriter

#: Bytes held for a reader before the peer is told to wait.
_HIGH_WATER = 256 * 1024


class ByteConnection(Protocol):
    """Bytes both ways. `read` gives b"" once the peer has gone; `write` waits while the peer is slow."""

    async def read(self) -> bytes: ...

    async def write(self, data: bytes) -> None: ...

    async def close(self) -> None: ...


class _TakenOver(asyncio.Protocol):
    """Stands in for aiohttp's protocol on the transport after the upgrade."""

    def __init__(self, transport: asyncio.Transport, before: asyncio.BaseProtocol) -> None:
        self._transport = transport
        self._before = before
        self.received = bytearray()
        self.ended = False
        self.arrived = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.arrived.set()
        if len(self.received) > _HIGH_WATER and self._transport.is_reading():
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self.ended = True
        self.arrived.set()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self.arrived.set()
        self.writable.set()
        self._before.connection_lost(exc)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()


class UpgradedConnection:
    """The transport of a request after its 101 response."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._protocol = _TakenOver(transport, transport.get_protocol())
        transport.set_protocol(self._protocol)

    async def read(self) -> bytes:
        protocol = self._protocol
        while not protocol.received and not protocol.ended:
            protocol.arrived.clear()
            await protocol.arrived.wait()
        data = bytes(protocol.received)
        protocol.received.clear()
        if not protocol.ended and not self._transport.is_reading():
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        await self._protocol.writable.wait()
        if self._protocol.ended:
            raise ConnectionResetError("the client went away")
        self._transport.write(data)

    async def close(self) -> None:
        self._transport.close()


class WebSocketConnection:
    """Bytes in the binary messages of a WebSocket (SPDY/3.1+portforward.k8s.io)."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        while not self._socket.closed:
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY and message.data:
                return cast(bytes, message.data)
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                break
        return b""

    async def write(self, data: bytes) -> None:
        if self._socket.closed:
            raise ConnectionResetError("the client went away")
        await self._socket.send_bytes(data)

    async def close(self) -> None:
        await self._socket.close()


class Upgraded(web.StreamResponse):
    """What a handler returns after it took the connection over: nothing is left to send on it."""

    def __init__(self) -> None:
        super().__init__(status=101)
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes | bytearray | memoryview = b"") -> None:
        return None


def upgrade(request: web.Request, headers: Mapping[str, str]) -> UpgradedConnection:
    """Answer 101 with these headers and take the connection over. Raises ConnectionResetError when it is gone."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client went away")
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection = UpgradedConnection(transport)
    transport.write(f"HTTP/1.1 101 Switching Protocols\r\n{head}\r\n".encode("latin-1"))
    return connection
