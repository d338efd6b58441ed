"""A TCP connection joined to a stream, both directions, with half-close. Used by port-forward and the proxies."""

import asyncio
import contextlib

from agent.kubelet.pod.grace import race
from proto.stream import Stream

CHANNEL = 0
#: Seconds that a connection to a port may take.
CONNECT_TIMEOUT = 10.0


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: Stream) -> None:
    """Until the far side has said all or the stream ends; closes the connection."""

    async def out() -> None:
        while piece := await reader.read(64 * 1024):
            await stream.write(CHANNEL, piece)
        await stream.write(CHANNEL, b"", eof=True)

    async def back() -> None:
        async for frame in stream.frames():
            if frame.data:
                writer.write(frame.data)
                await writer.drain()
            if frame.eof and writer.can_write_eof():
                writer.write_eof()

    try:
        with contextlib.suppress(OSError):
            await race(out(), back())
    finally:
        writer.close()
