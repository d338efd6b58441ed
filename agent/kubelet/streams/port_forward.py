"""A connection to a port inside a pod, over a stream. As with Kubernetes it reaches what listens on the pod's loopback."""

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

from agent.kubelet.pod.namespaces import socket_in
from agent.kubelet.pod.observation import PodObservation
from agent.kubelet.streams.refused import StreamRefused
from agent.kubelet.streams.tcp import CONNECT_TIMEOUT, carry
from proto.stream import Stream


async def forward(observed: PodObservation, options: Mapping[str, Any], stream: Stream) -> None:
    """Until either side ends it."""
    port = options.get("port")
    if not isinstance(port, int) or not 0 < port < 65536:
        raise StreamRefused(f"invalid port {port!r}", 400)
    sandbox = observed.sandbox
    if sandbox is None:
        raise StreamRefused("the pod is not running", 400)
    reader, writer = await _connect(sandbox.pid, port)
    await carry(reader, writer, stream)


async def _connect(pid: int, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """On the pod's loopback, IPv4 and then IPv6."""
    problem: OSError | TimeoutError | None = None
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        endpoint = None
        try:
            endpoint = await asyncio.to_thread(socket_in, pid, family)
            endpoint.setblocking(False)
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await asyncio.get_running_loop().sock_connect(endpoint, (host, port))
            return await asyncio.open_connection(sock=endpoint)
        except (OSError, TimeoutError) as error:
            problem = problem or error
            if endpoint is not None:
                endpoint.close()
    raise StreamRefused(f"failed to connect to localhost:{port} inside the pod: {problem}", 500)
