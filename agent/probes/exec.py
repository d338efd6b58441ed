"""Does a command inside the container end with 0. One that runs longer than its time is ended, as kubelet's runtimes do."""

import asyncio
import contextlib

from lightkube.models.core_v1 import ExecAction

from agent.probes.protocol import MAX_OUTPUT, ProbeResult, ProbeTarget
from agent.runtime.errors import RuntimeFailure
from agent.runtime.protocol import Exec, Streams

#: How long the end of a command that is overdue may take.
_KILL_TIMEOUT = 5.0


class ExecProber:
    source = "exec"

    async def probe(self, handler: ExecAction, target: ProbeTarget, *, timeout: float, streams: Streams) -> ProbeResult:
        command = handler.command or []
        output = bytearray()
        running: Exec | None = None
        try:
            async with asyncio.timeout(timeout):
                async with await streams.exec(target.container_id, command) as running:
                    async for _, piece in running.output():
                        output += piece[: MAX_OUTPUT - len(output)]
                    code = await running.exit_code()
        except TimeoutError:
            if running is not None:
                with contextlib.suppress(RuntimeFailure, TimeoutError):
                    async with asyncio.timeout(_KILL_TIMEOUT):
                        await running.kill()
            text = " ".join(command)
            return ProbeResult("failure", f'command timed out: "{text}" timed out after {timeout:g}s')
        except RuntimeFailure as error:
            return ProbeResult("unknown", str(error))
        return ProbeResult("success" if code == 0 else "failure", output.decode("utf-8", "replace"))


PROBER = ExecProber()
