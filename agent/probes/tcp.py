"""Does a port take connections."""

import asyncio

from lightkube.models.core_v1 import TCPSocketAction

from agent.probes.dial import dial_problem
from agent.probes.protocol import ProbeResult, ProbeTarget
from agent.runtime.protocol import Streams


class TCPProber:
    source = "tcpSocket"

    async def probe(self, handler: TCPSocketAction, target: ProbeTarget, *, timeout: float, streams: Streams) -> ProbeResult:
        try:
            port = target.port(handler.port)
        except ValueError as error:
            return ProbeResult("unknown", str(error))
        host = handler.host or target.address
        try:
            async with asyncio.timeout(timeout):
                transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, host, port)
        except TimeoutError:
            return ProbeResult("failure", f"dial tcp {f'[{host}]' if ':' in host else host}:{port}: i/o timeout")
        except OSError as error:
            return ProbeResult("failure", dial_problem(error, host, port))
        transport.close()
        return ProbeResult("success")


PROBER = TCPProber()
