"""A container's postStart and preStop hooks: exec, httpGet, tcpSocket (only dialled) and sleep.

https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/
"""

import asyncio

from lightkube.models.core_v1 import Container, LifecycleHandler

from agent.kubelet.pods import named_ports
from agent.probes.protocol import ProbeTarget
from agent.probes.registry import probe_once
from agent.runtime.protocol import Streams

#: The hook's own bound is the grace period; this one only ends what hangs for good.
_LONGEST = 3600.0


class HookFailed(Exception):
    """The hook did not end well; the message may be shown in an Event."""


async def run_hook(
    handler: LifecycleHandler, container: Container, *, container_id: str, address: str, streams: Streams
) -> None:
    """Raises HookFailed."""
    if handler.sleep is not None:
        await asyncio.sleep(handler.sleep.seconds)
        return
    target = ProbeTarget(container_id, address, named_ports(container))
    result = await probe_once(handler, target, timeout=_LONGEST, streams=streams)
    if result.outcome not in ("success", "warning"):
        raise HookFailed(result.output)
