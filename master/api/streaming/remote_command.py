"""exec and attach: Kubernetes' remote command protocol on the client's side, a stream into the node on the other.

Two carriers of the same channels (0 stdin, 1 stdout, 2 stderr, 3 error, 4 resize): SPDY streams with a `streamtype` header,
and WebSocket messages with the channel as their first byte. Versions 4 and 5 end with a metav1.Status on the error channel.
Source: KEP-4006 and https://kubernetes.io/docs/reference/using-api/ (v5.channel.k8s.io closes channels with byte 255).
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import WSMsgType, web

from master.api.streaming.spdy import SpdySession, SpdyStream
from proto.stream import Stream, StreamBroken

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
_CLOSE_CHANNEL = 255
_CHANNELS = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": ERROR, "resize": RESIZE}
#: Seconds that a SPDY client has to open the streams that its query announces.
_STREAM_CREATION_SECONDS = 30.0
#: Largest WebSocket message of a client.
MAX_MESSAGE_BYTES = 1 << 20

SPDY_VERSIONS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
WEBSOCKET_VERSIONS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which standard streams the client asked for."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    def channels(self) -> set[str]:
        names = {"error"}
        names |= {name for name in ("stdin", "stdout", "stderr") if getattr(self, name)}
        if self.tty:
            names -= {"stderr"}
            names |= {"resize"}
        return names


class Carrier(Protocol):
    """The client's side. `receive` gives (channel, data, eof), or None once the client went away."""

    async def receive(self) -> tuple[int, bytes, bool] | None: ...

    async def send(self, channel: int, data: bytes) -> None: ...

    async def finish(self, status: bytes) -> None:
        """Send the final Status and end."""
        ...


class WebSocketCarrier:
    """Channels in WebSocket messages."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._base64 = "base64" in (socket.ws_protocol or "")

    async def receive(self) -> tuple[int, bytes, bool] | None:
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY and not self._base64:
                data = message.data
                channel = data[0] if data else -1
                data = data[1:]
            elif message.type is WSMsgType.TEXT and self._base64:
                try:
                    channel, data = ord(message.data[:1] or "\0") - ord("0"), base64.b64decode(message.data[1:])
                except binascii.Error:
                    return None
            else:
                return None
            if channel == _CLOSE_CHANNEL and data:
                return data[0], b"", True
            if channel in (STDIN, RESIZE):
                if data:
                    return channel, data, False
            elif channel != -1:
                return None

    async def send(self, channel: int, data: bytes) -> None:
        if self._base64:
            await self._socket.send_str(chr(ord("0") + channel) + base64.b64encode(data).decode())
        else:
            await self._socket.send_bytes(bytes((channel,)) + data)

    async def finish(self, status: bytes) -> None:
        await self.send(ERROR, status)
        await self._socket.close()


class SpdyCarrier:
    """Channels as SPDY streams. The session's `run` is started by the caller."""

    def __init__(self, streams: dict[int, SpdyStream]) -> None:
        self._streams = streams
        self._received: asyncio.Queue[tuple[int, bytes, bool]] = asyncio.Queue(4)

    @classmethod
    async def accept(cls, session: SpdySession, wanted: Wanted) -> "SpdyCarrier":
        """Wait for the announced streams. Raises TimeoutError, or ConnectionResetError when the client goes first."""
        missing = wanted.channels()
        streams: dict[int, SpdyStream] = {}
        async with asyncio.timeout(_STREAM_CREATION_SECONDS):
            async for stream in session.streams():
                name = stream.headers.get("streamtype", "")
                if name not in _CHANNELS:
                    await stream.reset()
                    continue
                streams[_CHANNELS[name]] = stream
                missing.discard(name)
                if not missing:
                    return cls(streams)
        raise ConnectionResetError("the client went away before it opened its streams")

    async def pump(self, channel: int) -> None:
        """Feed one incoming channel into `receive`; a task per channel."""
        stream = self._streams.get(channel)
        if stream is not None:
            while data := await stream.read():
                await self._received.put((channel, data, False))
            await self._received.put((channel, b"", True))

    async def receive(self) -> tuple[int, bytes, bool] | None:
        return await self._received.get()

    async def send(self, channel: int, data: bytes) -> None:
        stream = self._streams.get(channel)
        if stream is not None:
            await stream.write(data)

    async def finish(self, status: bytes) -> None:
        await self._streams[ERROR].write(status)
        for stream in self._streams.values():
            await stream.finish()


async def bridge(carrier: Carrier, stream: Stream) -> None:
    """Carry both directions until the command ends or either side goes away; the node's stream is closed in any case."""
    try:
        async with asyncio.TaskGroup() as tasks:
            upward = tasks.create_task(_to_node(carrier, stream))
            await _to_client(carrier, stream)
            upward.cancel()
    except* ConnectionResetError:
        pass  # the client went away: its command's streams end with it
    finally:
        await stream.close()


async def _to_node(carrier: Carrier, stream: Stream) -> None:
    while (received := await carrier.receive()) is not None:
        channel, data, eof = received
        try:
            await stream.write(channel, data, eof=eof)
        except StreamBroken:
            return  # what ended it reaches the client through the other direction
    await stream.close("the client went away", 499)


async def _to_client(carrier: Carrier, stream: Stream) -> None:
    status = failure("the command's stream ended without a status")
    try:
        async for frame in stream.frames():
            if frame.channel == ERROR:
                status = json.loads(frame.data)
                break
            if frame.data:
                await carrier.send(frame.channel, frame.data)
    except StreamBroken as error:
        if error.code == 499:
            return
        status = failure(str(error), error.code)
    await carrier.finish(json.dumps(status).encode())


def failure(message: str, code: int = 500) -> dict[str, Any]:
    """A metav1.Status for an error of the connection itself."""
    return {
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "InternalError" if code >= 500 else "BadRequest",
        "code": code,
    }


def choose(offered: Sequence[str], known: Sequence[str]) -> str | None:
    """The first version that we know, in our order of preference."""
    return next((version for version in known if version in offered), None)
