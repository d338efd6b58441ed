"""exec and attach: Kubernetes' remote command protocol on the client's side, a stream into the node on the other.

Two carriers of the same channels (0 stdin, 1 stdout, 2 stderr, 3 error, 4 resize): SPDY streams with a `streamtype` header,
and numbered channels in a WebSocket. Versions 4 and 5 end with a metav1.Status on the error channel, older ones with a text
when something failed. Source: KEP-4006, k8s.io/kubelet/pkg/cri/streaming/remotecommand.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from master.api.streaming.channels import ChannelSocket
from master.api.streaming.spdy import SpdySession, SpdyStream
from master.client.errors import StatusError
from proto.stream import Stream, StreamBroken

Json = dict[str, Any]

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
_CHANNELS = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": ERROR, "resize": RESIZE}
#: Seconds that a SPDY client has to open the streams that its query announces.
_STREAM_CREATION_SECONDS = 30.0
#: Seconds that a node has to begin a command or to refuse it.
_BEGIN_SECONDS = 30.0

SPDY_VERSIONS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io", "")
WEBSOCKET_VERSIONS = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
    "",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which standard streams the client asked for."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    def channels(self, version: str) -> set[str]:
        """The SPDY streams that a client of this version opens."""
        names = {"error"}
        names |= {name for name in ("stdin", "stdout", "stderr") if getattr(self, name)}
        if self.tty:
            names -= {"stderr"}
            if version.startswith(("v3.", "v4.", "v5.")):
                names |= {"resize"}
        return names


class Carrier(Protocol):
    """The client's side. `receive` gives (channel, data, eof), or None once the client went away."""

    async def receive(self) -> tuple[int, bytes, bool] | None: ...

    async def send(self, channel: int, data: bytes) -> None: ...

    async def finish(self, status: Json) -> None:
        """Tell how it ended, and end."""
        ...


class WebSocketCarrier:
    """Channels in WebSocket messages."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._channels = ChannelSocket(socket)

    async def receive(self) -> tuple[int, bytes, bool] | None:
        while (received := await self._channels.receive()) is not None:
            channel, data, eof = received
            if channel not in (STDIN, RESIZE):
                return None
            if data or eof:
                return received
        return None

    async def send(self, channel: int, data: bytes) -> None:
        await self._channels.send(channel, data)

    async def finish(self, status: Json) -> None:
        if (told := final_message(self._channels.protocol, status)) is not None:
            await self._channels.send(ERROR, told)
        await self._channels.close()


class SpdyCarrier:
    """Channels as SPDY streams. The session's `run` is started by the caller."""

    def __init__(self, streams: dict[int, SpdyStream], version: str) -> None:
        self._streams = streams
        self._version = version
        self._received: asyncio.Queue[tuple[int, bytes, bool]] = asyncio.Queue(4)

    @classmethod
    async def accept(cls, session: SpdySession, wanted: Wanted, version: str) -> "SpdyCarrier":
        """Wait for the announced streams. Raises TimeoutError, or ConnectionResetError when the client goes first."""
        missing = wanted.channels(version)
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
                    return cls(streams, version)
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
        if stream is not None and data:
            await stream.write(data)

    async def finish(self, status: Json) -> None:
        if (told := final_message(self._version, status)) is not None:
            await self._streams[ERROR].write(told)
        for stream in self._streams.values():
            await stream.finish()


class NotBegun(Exception):
    """The node refused: the client is told before its connection is upgraded. With an HTTP code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


async def begun(stream: Stream) -> None:
    """Wait until the node has begun what the stream is for. Raises NotBegun, StatusError 504."""
    try:
        async with asyncio.timeout(_BEGIN_SECONDS):
            if await stream.read() is None:
                raise NotBegun("the node ended the stream before it began", 500)
    except StreamBroken as error:
        raise NotBegun(str(error), error.code) from error
    except TimeoutError:
        raise StatusError(504, "Timeout", "Timeout: the node has not begun the command in time") from None


async def bridge(carrier: Carrier, stream: Stream, *, active: Callable[[], None]) -> None:
    """Carry both directions until the command ends or either side goes away; the node's stream is closed in any case.

    `active` is called for all that passes.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            upward = tasks.create_task(_to_node(carrier, stream, active))
            await _to_client(carrier, stream, active)
            upward.cancel()
    except* ConnectionResetError:
        pass  # the client went away: its command's streams end with it
    finally:
        await stream.close()


async def _to_node(carrier: Carrier, stream: Stream, active: Callable[[], None]) -> None:
    while (received := await carrier.receive()) is not None:
        active()
        channel, data, eof = received
        try:
            await stream.write(channel, data, eof=eof)
        except StreamBroken:
            return  # what ended it reaches the client through the other direction
    await stream.close("the client went away", 499)


async def _to_client(carrier: Carrier, stream: Stream, active: Callable[[], None]) -> None:
    # Tells a client that waits for its first message that the command runs.
    await carrier.send(STDOUT, b"")
    status = internal_error("the command's stream ended without a status")
    try:
        async for frame in stream.frames():
            active()
            if frame.channel == ERROR:
                status = json.loads(frame.data)
                break
            if frame.data:
                await carrier.send(frame.channel, frame.data)
    except StreamBroken as error:
        if error.code == 499:
            return
        status = internal_error(str(error))
    await carrier.finish(status)


def final_message(version: str, status: Json) -> bytes | None:
    """What the error channel ends with: a Status since version 4, before that the text of a failure."""
    if version.startswith(("v4.", "v5.")):
        return json.dumps(status).encode()
    return str(status.get("message", "")).encode() if status.get("status") != "Success" else None


def internal_error(message: str) -> Json:
    """A metav1.Status for an error of the connection itself, as errors.NewInternalError makes it."""
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {message}",
        "reason": "InternalError",
        "details": {"causes": [{"message": message}]},
        "code": 500,
    }
