"""A container's postStart and preStop hooks: exec, httpGet and sleep. A tcpSocket fails, as in kubelet.

https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/
"""

import asyncio

from lightkube.models.core_v1 import Container, ExecAction, LifecycleHandler, Pod

from agent.kubelet.labels import identity
from agent.kubelet.pods import named_ports
from agent.probes.protocol import MAX_OUTPUT, ProbeTarget
from agent.probes.registry import probe_once
from agent.runtime.errors import RuntimeFailure
from agent.runtime.protocol import Streams

#: The hook's own bound is the grace period; this one only ends what hangs for good.
_LONGEST = 3600.0


class HookFailed(Exception):
    """The hook did not end well; the message, as kubelet words it, is shown in the container's status."""


async def run_hook(
    handler: LifecycleHandler, pod: Pod, container: Container, *, container_id: str, address: str, streams: Streams
) -> None:
    """Raises HookFailed."""
    if handler.sleep is not None:
        await asyncio.sleep(handler.sleep.seconds)
    elif handler.exec is not None:
        await _exec(handler.exec, pod, container, container_id=container_id, streams=streams)
    elif handler.httpGet is not None:
        target = ProbeTarget(container_id, address, named_ports(container))
        result = await probe_once(handler, target, timeout=_LONGEST, streams=streams)
        if result.outcome not in ("success", "warning"):
            where = (
                f'HTTP lifecycle hook ({handler.httpGet.path or ""}) for Container "{container.name}" in Pod "{identity(pod)}"'
            )
            raise HookFailed(f"{where} failed - error: {result.output}")
    else:
        raise HookFailed("Cannot run handler: invalid handler")


async def _exec(action: ExecAction, pod: Pod, container: Container, *, container_id: str, streams: Streams) -> None:
    command = action.command or []
    output, problem = bytearray(), ""
    try:
        async with asyncio.timeout(_LONGEST), await streams.exec(container_id, command) as running:
            async for _, piece in running.output():
                output += piece[: MAX_OUTPUT - len(output)]
            if code := await running.exit_code():
                problem = f"command '{' '.join(command)}' exited with {code}: {output.decode('utf-8', 'replace')}"
    except TimeoutError:
        problem = f"command '{' '.join(command)}' timed out"
    except RuntimeFailure as error:
        problem = str(error)
    if problem:
        where = f'Exec lifecycle hook ([{" ".join(command)}]) for Container "{container.name}" in Pod "{identity(pod)}"'
        message = output.decode("utf-8", "replace").replace('"', '\\"')
        raise HookFailed(f'{where} failed - error: {problem}, message: "{message}"')
