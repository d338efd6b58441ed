"""The switch that the hosts hang on, and the run that they all belong to."""

import asyncio
import itertools
import os
from asyncio.subprocess import Process
from types import TracebackType

from tests.hosts.command import run
from tests.hosts.host import Host, stop
from tests.hosts.images import busybox_archive, pause_archive
from tests.hosts.leftovers import PREFIX, make_run_folder, remove_leftovers, remove_run

_runs = itertools.count(1)


class Switch:
    """An async context manager: a network of hosts that is gone, with all that ran on it, when the block is left.

    The hosts share one L2 and the subnet 198.18.0.0/24; the switch is their default gateway (.254) and reaches nothing else.
    """

    SUBNET = "198.18.0"

    def __init__(self) -> None:
        self.name = f"{PREFIX}{os.getpid()}-{next(_runs)}"
        self.namespace = f"{self.name}-sw"
        self.hosts: dict[str, Host] = {}
        self._engines: list[Process] = []

    async def __aenter__(self) -> "Switch":
        await asyncio.to_thread(remove_leftovers)
        self.folder = make_run_folder(self.name)
        try:
            await run("ip", "netns", "add", self.namespace)
            await self._ip("link", "set", "lo", "up")
            await self._ip("link", "add", "br0", "type", "bridge")
            await self._ip("addr", "add", f"{self.SUBNET}.254/24", "dev", "br0")
            await self._ip("link", "set", "br0", "up")
            # A forwarding switch answers "unreachable" at once instead of swallowing packets to the outside.
            await run("nsenter", f"--net=/run/netns/{self.namespace}", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        except BaseException:
            await asyncio.to_thread(remove_run, self.folder)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.shield(asyncio.to_thread(remove_run, self.folder))
        for engine in self._engines:
            await stop(engine)

    async def add_hosts(self, *names: str, docker: bool = False) -> list[Host]:
        """Add hosts; with `docker`, each with an engine of its own that has the busybox and pause images."""
        hosts = [await self._add_host(name) for name in names]
        if docker:
            async with asyncio.TaskGroup() as group:
                for host in hosts:
                    group.create_task(self._start_engine(host))
        return hosts

    async def _add_host(self, name: str) -> Host:
        number = len(self.hosts) + 1
        host = Host(
            name=name,
            address=f"{self.SUBNET}.{number}",
            folder=self.folder / name,
            namespace=f"{self.name}-{name}",
            port=f"port{number}",
            switch_namespace=self.namespace,
        )
        host.folder.mkdir()
        self.hosts[name] = host
        inside = ("ip", "-n", host.namespace)
        await run("ip", "netns", "add", host.namespace)
        await run(
            "ip", "link", "add", host.port, "netns", self.namespace,
            "type", "veth", "peer", "name", "eth0", "netns", host.namespace,
        )  # fmt: skip
        await self._ip("link", "set", host.port, "master", "br0", "up")
        await run(*inside, "addr", "add", f"{host.address}/24", "dev", "eth0")
        await run(*inside, "link", "set", "lo", "up")
        await run(*inside, "link", "set", "eth0", "up")
        await run(*inside, "route", "add", "default", "via", f"{self.SUBNET}.254")
        await host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        return host

    async def _start_engine(self, host: Host) -> None:
        self._engines.append(await host.start_docker())
        for archive in (busybox_archive(), pause_archive()):
            await host.load_image(archive)

    async def _ip(self, *argv: str) -> None:
        await run("ip", "-n", self.namespace, *argv)
