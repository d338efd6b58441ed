"""port-forward as kubectl speaks it, over SPDY: each connection is a pair of streams (error and data) with one request id.

Source: Kubernetes' portforward.k8s.io subprotocol: headers `streamtype`, `port` and `requestid`. The session is the same raw
or tunnelled in a WebSocket. Another form, over WebSocket channels, is in `port_channels`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from master.api.streaming.spdy import SpdySession, SpdyStream
from master.client.errors import StatusError
from proto.stream import Stream, StreamBroken

log = logging.getLogger(__name__)

PROTOCOL = "portforward.k8s.io"
WEBSOCKET_PROTOCOL = "SPDY/3.1+portforward.k8s.io"
#: Connections that one port-forward may hold at once.
MAX_CONNECTIONS = 512

OpenPort = Callable[[int], Awaitable[Stream]]


@dataclass(slots=True)
class _Pair:
    error: SpdyStream | None = None
    data: SpdyStream | None = None


async def serve(session: SpdySession, open_port: OpenPort) -> None:
    """Forward the session's connections until the client goes away."""
    pairs: dict[str, _Pair] = {}
    async with asyncio.TaskGroup() as tasks:
        reader = tasks.create_task(session.run())
        connections: set[asyncio.Task[None]] = set()
        async for stream in session.streams():
            pair = pairs.setdefault(stream.headers.get("requestid", ""), _Pair())
            match stream.headers.get("streamtype"):
                case "error":
                    pair.error = stream
                case "data":
                    pair.data = stream
                case _:
                    await stream.reset()
                    continue
            if pair.error is None or pair.data is None:
                continue
            del pairs[stream.headers.get("requestid", "")]
            if len(connections) >= MAX_CONNECTIONS:
                await _refuse(pair.error, pair.data, f"more than {MAX_CONNECTIONS} connections at once")
                continue
            task = tasks.create_task(_forward(session, pair.error, pair.data, open_port))
            connections.add(task)
            task.add_done_callback(connections.discard)
        reader.cancel()
        for task in list(connections):
            task.cancel()


async def _forward(session: SpdySession, error: SpdyStream, data: SpdyStream, open_port: OpenPort) -> None:
    port = data.headers.get("port", "")
    if not port.isdigit() or not 0 < int(port) < 65536:
        await _refuse(error, data, f"{port!r} is not a valid port")
        return
    try:
        stream = await open_port(int(port))
    except StatusError as failure:
        await _refuse(error, data, failure.message)
        return
    try:
        async with asyncio.TaskGroup() as tasks:
            upward = tasks.create_task(_upward(data, stream))
            try:
                async for frame in stream.frames():
                    if frame.data:
                        await data.write(frame.data)
                    if frame.eof:
                        await data.finish()
            except StreamBroken as broken:
                await error.write(f"error forwarding port {port} to pod: {broken}".encode())
            await data.finish()
            await error.finish()
            upward.cancel()
    except* ConnectionResetError:
        pass  # the client went away
    finally:
        await stream.close()
        session.forget(error)
        session.forget(data)


async def _upward(data: SpdyStream, stream: Stream) -> None:
    try:
        while received := await data.read():
            await stream.write(0, received)
        await stream.write(0, b"", eof=True)
    except StreamBroken:
        return  # the other direction tells why


async def _refuse(error: SpdyStream, data: SpdyStream, why: str) -> None:
    try:
        await error.write(why.encode())
        await error.finish()
        await data.reset()
    except ConnectionResetError:
        log.debug("the client went away before its refusal")
