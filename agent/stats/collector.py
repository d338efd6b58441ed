"""Samples of the node and its pods, taken when somebody asks. Made by the kubelet; the rest of the agent asks it.

`usage` reads control groups (a few small files for each container) on a thread; with `rates` it may take a second reading
a second later, when nobody asked for two minutes. `disk` walks directories, on another thread, and remembers (see
`agent.stats.disk`). At rest nothing is read. What has gone meanwhile is left out.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from agent.stats.cgroup import Cgroup, Cgroups
from agent.stats.disk import DiskUsage
from agent.stats.filesystem import FileSystem, Taken, filesystem, log_files
from agent.stats.host import Host, Processes
from agent.stats.mounts import writable_layer
from agent.stats.network import Network, network
from agent.stats.rates import SHORTEST, Rates
from agent.stats.samples import (
    ContainerDisk,
    ContainerSample,
    NodeSample,
    PodDisk,
    PodSample,
    SystemSample,
    VolumeDisk,
)
from agent.stats.targets import ContainerTarget, PodTarget, VolumeTarget
from agent.stats.text_file import text
from agent.stats.usage import Usage

T = TypeVar("T")
#: Volumes with where they are, by pod uid.
_Volumes = dict[str, list[tuple[VolumeTarget, Path]]]

#: Keys of rates beside containers' ids.
_NODE, _AGENT = "node", "kubelet"
#: A sample younger than this answers the next who asks, in seconds.
_FRESH = 1.0
#: How long `disk` waits for walks.
_DISK_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class _Place:
    """Where to read a container; None: it has gone, or its engine keeps it otherwise."""

    cgroup: Cgroup | None
    layer: Path | None


@dataclass(frozen=True, slots=True)
class _Reading:
    node: Usage
    agent: Usage | None
    network: Network | None
    containers: dict[str, Usage]
    networks: dict[str, Network]


class Stats:
    """`targets`: the pods of this node, asked at each sample. `proc`: where /proc is mounted."""

    def __init__(
        self, targets: Callable[[], Sequence[PodTarget]], *, proc: Path = Path("/proc"), disk: DiskUsage | None = None
    ) -> None:
        self._targets = targets
        self._proc = proc
        self._disk = disk or DiskUsage()
        self._found: tuple[Cgroups, Host, Cgroup | None] | None = None
        self._began = time.time()
        self._places: dict[str, _Place] = {}
        self._rates = Rates()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="stats")
        self._turn = asyncio.Lock()
        self._last: NodeSample | None = None

    async def usage(self, *, rates: bool = False) -> NodeSample:
        """CPU, memory, network and processes of the node and each pod; with `rates` also what CPU is used now."""
        async with self._turn:
            last = self._last
            if last is not None and 0 <= time.time() - last.time < _FRESH and (last.rated or not rates):
                return last
            sample = await self._sample()
            if rates and not sample.rated:
                await asyncio.sleep(SHORTEST + 0.1)
                sample = await self._sample()
            self._last = sample
            return sample

    async def disk(self, *, seconds: float = _DISK_SECONDS) -> dict[str, PodDisk]:
        """By pod uid: what its containers' layers and logs and its volumes take. After `seconds`, what is known by then."""
        targets = self._targets()
        places, volumes = await self._run(lambda: (self._find(targets), _volumes(targets)))
        directories = {
            *(place.layer for place in places.values() if place.layer is not None),
            *(path for found in volumes.values() for volume, path in found if not volume.claim),
        }
        try:
            async with asyncio.timeout(seconds):
                taken = await self._disk.of(sorted(directories))
        except TimeoutError:
            taken = self._disk.known(directories)
        return await self._run(partial(_pod_disks, targets, places, volumes, taken))

    async def machine(self) -> tuple[float, Processes | None]:
        """When the node booted, in seconds since the epoch, and its processes."""

        def read() -> tuple[float, Processes | None]:
            _, host, _ = self._places_of_node()
            return host.boot_time, host.processes()

        return await self._run(read)

    async def filesystem(self, path: Path) -> FileSystem | None:
        """The file system that holds a path."""
        return await self._run(partial(filesystem, path))

    async def _sample(self) -> NodeSample:
        targets = self._targets()
        reading = await self._run(partial(self._read, targets))
        node = reading.node
        keys = {_NODE, _AGENT, *(one.id for target in targets for one in (target.sandbox, *target.containers))}
        self._rates.keep(keys)
        pods = [pod for target in targets if (pod := self._pod(target, reading)) is not None]
        rate = self._rates.take(_NODE, time=node.time, cpu=node.cpu) if node.cpu is not None else None
        return NodeSample(
            time=time.time(),
            usage=node,
            rate=rate,
            network=reading.network,
            pods=tuple(pods),
            system=self._system(reading.agent),
        )

    def _system(self, agent: Usage | None) -> tuple[SystemSample, ...]:
        if agent is None:
            return ()
        rate = self._rates.take(_AGENT, time=agent.time, cpu=agent.cpu) if agent.cpu is not None else None
        return (SystemSample(_AGENT, self._began, agent, rate),)

    def _pod(self, target: PodTarget, reading: _Reading) -> PodSample | None:
        sandbox = self._container(target.sandbox, reading)
        if sandbox is None:
            return None
        containers = [found for one in target.containers if (found := self._container(one, reading)) is not None]
        return PodSample(target, sandbox, tuple(containers), reading.networks.get(target.uid))

    def _container(self, target: ContainerTarget, reading: _Reading) -> ContainerSample | None:
        usage = reading.containers.get(target.id)
        if usage is None:
            return None
        rate = None
        if usage.cpu is not None:
            rate = self._rates.take(target.id, time=usage.time, cpu=usage.cpu, began=target.started_at)
        return ContainerSample(target, usage, rate)

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    # On the thread

    def _read(self, targets: Sequence[PodTarget]) -> _Reading:
        places = self._find(targets)
        _, host, agent = self._places_of_node()
        containers, networks = dict[str, Usage](), dict[str, Network]()
        for target in targets:
            for one in (target.sandbox, *target.containers):
                cgroup = places[one.id].cgroup
                usage = cgroup.read() if cgroup is not None else None
                if usage is not None and (usage.cpu is not None or usage.memory is not None):
                    containers[one.id] = usage
            if not target.host_network and (found := network(target.sandbox.pid, self._proc)) is not None:
                networks[target.uid] = found
        own = agent.read() if agent is not None else None
        return _Reading(host.usage(), own, network(proc=self._proc), containers, networks)

    def _places_of_node(self) -> tuple[Cgroups, Host, Cgroup | None]:
        """Found once. The last is this process's own group."""
        if self._found is None:
            cgroups = Cgroups(self._proc)
            self._found = (cgroups, Host(cgroups, self._proc), cgroups.of_process("self"))
        return self._found

    def _find(self, targets: Sequence[PodTarget]) -> dict[str, _Place]:
        """Where each container is read; found once, when it is first seen."""
        cgroups, _, _ = self._places_of_node()
        wanted = {one.id: one for target in targets for one in (target.sandbox, *target.containers)}
        places = {}
        for container_id, target in wanted.items():
            place = self._places.get(container_id)
            if place is None or place.cgroup is None:
                mountinfo = text(self._proc / str(target.pid) / "mountinfo")
                place = _Place(cgroups.of_container(target.pid, container_id), writable_layer(mountinfo))
            places[container_id] = place
        self._places = places
        return places


def _volumes(targets: Sequence[PodTarget]) -> _Volumes:
    """Of each pod those that are set up, with where they are."""
    found: _Volumes = {}
    for target in targets:
        paths = {path.name: path for path in sorted(target.volumes_root.glob("*/*"))}
        found[target.uid] = [(volume, paths[volume.name]) for volume in target.volumes if volume.name in paths]
    return found


def _pod_disks(
    targets: Sequence[PodTarget], places: Mapping[str, _Place], volumes: _Volumes, taken: Mapping[Path, Taken]
) -> dict[str, PodDisk]:
    found = {}
    for target in targets:
        containers = {}
        for one in target.containers:
            layer = places[one.id].layer
            logs = log_files(one.logs) if one.logs is not None else None
            containers[one.name] = ContainerDisk(taken.get(layer) if layer is not None else None, logs)
        disks = tuple(VolumeDisk(volume, path, filesystem(path), taken.get(path)) for volume, path in volumes[target.uid])
        found[target.uid] = PodDisk(target, containers, disks)
    return found
