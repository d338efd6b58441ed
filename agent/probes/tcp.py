"""Does a port take connections."""

import asyncio
import os

from lightkube.models.core_v1 import TCPSocketAction

from agent.probes.protocol import ProbeResult, ProbeTarget
from agent.runtime.protocol import Streams


class TCPProber:
    source = "tcpSocket"

    async def probe(self, handler: TCPSocketAction, target: ProbeTarget, *, timeout: float, streams: Streams) -> ProbeResult:
        port = target.port(handler.port)
        if port is None:
            return ProbeResult("unknown", f"couldn't find port: {handler.port}")
        host = handler.host or target.address
        try:
            async with asyncio.timeout(timeout):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            return ProbeResult("failure", f"dial tcp {host}:{port}: i/o timeout")
        except OSError as error:
            return ProbeResult("failure", f"dial tcp {host}:{port}: connect: {dial_problem(error)}")
        writer.close()
        return ProbeResult("success")


def dial_problem(error: OSError) -> str:
    """As Go words it: the kernel's own message in lower case."""
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)


PROBER = TCPProber()
