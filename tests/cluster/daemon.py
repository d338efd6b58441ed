"""One daemon of the cluster on its host: started, ended, killed and started again as a test wants it."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from pathlib import Path

from tests.hosts import Host
from tests.hosts.host import stop

_CHECKOUT = Path(__file__).resolve().parents[2]


class Daemon:
    """`python -m <module> <arguments>` on a host; its output is in `log`."""

    def __init__(self, host: Host, module: str, *arguments: str) -> None:
        self.host = host
        self.log = host.folder / f"{module}.log"
        self._argv = (sys.executable, "-m", module, *arguments)
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        assert self._process.returncode is None, f"{self._argv} does not run"
        return self._process.pid

    async def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(_CHECKOUT)}
        self._process = await self.host.popen(*self._argv, log=self.log, env=environment, cwd=_CHECKOUT)

    async def stop(self) -> int:
        """SIGTERM and wait; its exit status."""
        assert self._process is not None
        return await stop(self._process)

    async def kill(self) -> None:
        """kill -9 and wait until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        assert self._process is not None
        await self._process.wait()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def tail(self, lines: int = 60) -> str:
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    async def exited(self, seconds: float) -> int:
        """Wait until it has ended by itself; its exit status. Raises TimeoutError."""
        assert self._process is not None
        async with asyncio.timeout(seconds):
            return await self._process.wait()
