"""A stream into a node as a reader and a writer, with TLS over it when asked.

The bytes pass through a pair of sockets, so that TLS, buffering and back-pressure are asyncio's own.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from proto.stream import Stream, StreamBroken

#: Longest head of an answer in bytes.
MAX_HEAD_BYTES = 256 * 1024
_PIECE = 64 * 1024
_HANDSHAKE_SECONDS = 10.0


class Connection:
    """`problem`: why the node ended the stream, once it has; with the HTTP code that fits."""

    def __init__(self) -> None:
        self.problem: StreamBroken | None = None
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter


@asynccontextmanager
async def unwrapped() -> AsyncIterator[None]:
    """Around a TaskGroup whose body may fail: its error comes out as itself."""
    try:
        yield
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        raise group.exceptions[0] from None


@asynccontextmanager
async def connected(stream: Stream, *, tls: bool) -> AsyncIterator[Connection]:
    """Raises OSError when a TLS handshake fails. The stream is closed in any case."""
    connection = Connection()
    near, far = socket.socketpair()
    far_reader, far_writer = await asyncio.open_connection(sock=far)
    try:
        async with unwrapped(), asyncio.TaskGroup() as tasks:
            pumps = [
                tasks.create_task(_down(stream, far_writer, connection)),
                tasks.create_task(_up(far_reader, stream)),
            ]
            try:
                connection.reader, connection.writer = await asyncio.open_connection(
                    sock=near,
                    limit=MAX_HEAD_BYTES,
                    # Pods have no certificates that anyone could check: as kube-apiserver's proxy transport.
                    ssl=_unverified() if tls else None,
                    server_hostname="" if tls else None,
                    ssl_handshake_timeout=_HANDSHAKE_SECONDS if tls else None,
                )
                try:
                    yield connection
                finally:
                    connection.writer.transport.abort()
            finally:
                for pump in pumps:
                    pump.cancel()
    finally:
        near.close()
        far_writer.transport.abort()
        await stream.close()


async def _down(stream: Stream, writer: asyncio.StreamWriter, connection: Connection) -> None:
    with contextlib.suppress(OSError):  # the near end is gone: nobody reads
        try:
            async for frame in stream.frames():
                if frame.data:
                    writer.write(frame.data)
                    await writer.drain()
                if frame.eof:
                    writer.write_eof()
        except StreamBroken as error:
            connection.problem = error
        writer.close()


async def _up(reader: asyncio.StreamReader, stream: Stream) -> None:
    with contextlib.suppress(OSError, StreamBroken):
        while data := await reader.read(_PIECE):
            await stream.write(0, data)
        await stream.write(0, b"", eof=True)


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
