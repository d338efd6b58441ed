"""One host: a network namespace on the switch, perhaps with a Docker engine."""

import asyncio
import ctypes
import os
import socket
import threading
from asyncio.subprocess import Process
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.hosts.command import CommandFailed, Completed, run

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Host:
    """Made by `Switch.add_hosts`. The file system, processes and clock are the machine's; the network is its own."""

    name: str
    address: str
    #: For anything that this host keeps on disk; removed with the host.
    folder: Path
    namespace: str
    port: str
    switch_namespace: str

    @property
    def nsenter(self) -> list[str]:
        """Command prefix that runs a program on this host. (`ip netns exec` hides the cgroup mounts from dockerd.)"""
        return ["nsenter", f"--net=/run/netns/{self.namespace}"]

    @property
    def docker_socket(self) -> Path:
        """The engine's socket; reachable from every namespace."""
        return self.folder / "docker.sock"

    @property
    def docker_url(self) -> str:
        return f"unix://{self.docker_socket}"

    @property
    def trusted_ca(self) -> Path:
        """The CA that this host's engine takes registries' certificates from, once a test has written it."""
        return self.folder / "trusted-ca.crt"

    async def run(
        self,
        *argv: str,
        stdin: bytes | None = None,
        check: bool = True,
        timeout: float = 60.0,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run a command on this host to its end. Raises CommandFailed, TimeoutError."""
        return await run(*self.nsenter, *argv, stdin=stdin, check=check, timeout=timeout, env=env)

    async def popen(
        self, *argv: str, log: Path | None = None, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Process:
        """Start a program on this host; its output goes to `log` (default: thrown away). It is killed with the host.

        nsenter execs the program, so the process id is the program's own.
        """
        path = log or Path(os.devnull)
        with path.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *self.nsenter, *argv, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd=cwd
            )

    async def docker(self, *argv: str, check: bool = True, timeout: float = 60.0) -> Completed:
        """A docker command against this host's engine."""
        return await run("docker", "-H", self.docker_url, *argv, check=check, timeout=timeout)

    async def load_image(self, archive: bytes) -> None:
        """Load an image archive (see tests.hosts.images) into this host's engine."""
        await run("docker", "-H", self.docker_url, "load", stdin=archive)

    def socket(self, family: int = socket.AF_INET, type_: int = socket.SOCK_STREAM) -> socket.socket:
        """A non-blocking socket that lives on this host, for use in the test's own loop."""
        made: list[socket.socket] = []
        failed: list[OSError] = []

        def make() -> None:
            # A namespace belongs to a thread: a short-lived one leaves the test's own where it is.
            with open(f"/run/netns/{self.namespace}", "rb") as namespace:
                if _libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                    failed.append(OSError(ctypes.get_errno(), "setns"))
                    return
            made.append(socket.socket(family, type_))

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        made[0].setblocking(False)
        return made[0]

    async def link_down(self) -> None:
        """Pull the cable: nothing comes in or out; the host itself goes on."""
        await run("ip", "-n", self.switch_namespace, "link", "set", self.port, "down")

    async def link_up(self) -> None:
        await run("ip", "-n", self.switch_namespace, "link", "set", self.port, "up")

    async def start_docker(self, *options: str) -> Process:
        """Start this host's engine (again) and wait until it answers. Raises CommandFailed when it does not come up."""
        name = self.namespace
        log = self.folder / "dockerd.log"
        self.docker_socket.unlink(missing_ok=True)
        process = await self.popen(
            "dockerd",
            "--data-root", str(self.folder / "data"),
            "--exec-root", str(self.folder / "exec"),
            "--host", self.docker_url,
            "--pidfile", str(self.folder / "docker.pid"),
            "--containerd-namespace", name,
            "--containerd-plugins-namespace", f"{name}-plugins",
            "--exec-opt", "native.cgroupdriver=cgroupfs",
            # Of its own, so that the containers of a killed run are found.
            "--cgroup-parent", f"/{name}",
            *options,
            log=log,
            # Read at the first registry's certificate: a test that needs one puts its CA there.
            env={**os.environ, "SSL_CERT_FILE": str(self.trusted_ca)},
        )  # fmt: skip
        for _ in range(300):
            if process.returncode is not None:
                break
            if self.docker_socket.exists() and (await self.docker("version", check=False)).returncode == 0:
                return process
            await asyncio.sleep(0.1)
        await stop(process)
        raise CommandFailed(Completed(("dockerd", name), process.returncode or 0, log.read_text()[-4000:], ""))


async def stop(process: Process, timeout: float = 15.0) -> int:
    """End a program that the test started: SIGTERM, then SIGKILL. Its exit status."""
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(timeout):
                await process.wait()
        except TimeoutError:
            process.kill()
    return await process.wait()
