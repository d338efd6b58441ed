"""A connection to a port inside a pod, over a stream. As with Kubernetes it reaches what listens on the pod's loopback."""

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from typing import Any

from agent.kubelet.grace import race
from agent.kubelet.namespaces import socket_in
from agent.kubelet.observation import PodObservation
from agent.kubelet.stream_refused import StreamRefused
from proto.stream import Stream

_CHANNEL = 0
_CONNECT_TIMEOUT = 10.0


async def forward(observed: PodObservation, options: Mapping[str, Any], stream: Stream) -> None:
    """Until either side ends it."""
    port = options.get("port")
    if not isinstance(port, int) or not 0 < port < 65536:
        raise StreamRefused(f"invalid port {port!r}", 400)
    sandbox = observed.sandbox
    if sandbox is None:
        raise StreamRefused("the pod is not running", 400)
    reader, writer = await _connect(sandbox.pid, port)

    async def out() -> None:
        while piece := await reader.read(64 * 1024):
            await stream.write(_CHANNEL, piece)
        await stream.write(_CHANNEL, b"", eof=True)

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


async def _connect(pid: int, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """On the pod's loopback, IPv4 and then IPv6."""
    problem: OSError | TimeoutError | None = None
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        endpoint = None
        try:
            endpoint = await asyncio.to_thread(socket_in, pid, family)
            endpoint.setblocking(False)
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                await asyncio.get_running_loop().sock_connect(endpoint, (host, port))
            return await asyncio.open_connection(sock=endpoint)
        except (OSError, TimeoutError) as error:
            problem = problem or error
            if endpoint is not None:
                endpoint.close()
    raise StreamRefused(f"failed to connect to localhost:{port} inside the pod: {problem}", 500)
