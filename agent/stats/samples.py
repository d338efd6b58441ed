"""What a sample holds: usage and rates of the node, its pods and their containers; what pods take of disks. Plain values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.stats.filesystem import FileSystem, Taken
from agent.stats.network import Network
from agent.stats.rates import Rate
from agent.stats.targets import ContainerTarget, PodTarget, VolumeTarget
from agent.stats.usage import Usage


@dataclass(frozen=True, slots=True)
class ContainerSample:
    """`rate` None: not known yet."""

    target: ContainerTarget
    usage: Usage
    rate: Rate | None


@dataclass(frozen=True, slots=True)
class PodSample:
    """Its sums are over its containers and its sandbox. `network` None with the host's network."""

    target: PodTarget
    sandbox: ContainerSample
    containers: tuple[ContainerSample, ...]
    network: Network | None

    @property
    def everything(self) -> tuple[ContainerSample, ...]:
        return (self.sandbox, *self.containers)

    @property
    def working_set(self) -> int:
        """Bytes: what pressure eviction ranks pods by."""
        return sum(one.usage.memory.working_set for one in self.everything if one.usage.memory is not None)

    @property
    def nanocores(self) -> int | None:
        """None: not known yet of one of them."""
        return _sum(one.rate.nanocores if one.rate is not None else None for one in self.everything)

    @property
    def processes(self) -> int | None:
        return _sum(one.usage.pids for one in self.everything)


@dataclass(frozen=True, slots=True)
class SystemSample:
    """A service of the node, by Kubernetes' name of its role ("kubelet"). `started_at`: seconds since the epoch."""

    name: str
    started_at: float
    usage: Usage
    rate: Rate | None


@dataclass(frozen=True, slots=True)
class NodeSample:
    """`time`: seconds since the epoch when it was complete."""

    time: float
    usage: Usage
    rate: Rate | None
    network: Network | None
    pods: tuple[PodSample, ...]
    system: tuple[SystemSample, ...] = ()

    @property
    def rated(self) -> bool:
        """Whether everything has its rate."""
        return (self.rate is not None or self.usage.cpu is None) and all(
            one.rate is not None or one.usage.cpu is None for pod in self.pods for one in pod.everything
        )


@dataclass(frozen=True, slots=True)
class ContainerDisk:
    """`layer`: what it wrote itself, beside its image. None: not known."""

    layer: Taken | None
    logs: Taken | None


@dataclass(frozen=True, slots=True)
class VolumeDisk:
    """`taken` None: not known, or a claim's: then the file system as a whole tells."""

    target: VolumeTarget
    path: Path
    filesystem: FileSystem | None
    taken: Taken | None


@dataclass(frozen=True, slots=True)
class PodDisk:
    """`containers` by name."""

    target: PodTarget
    containers: Mapping[str, ContainerDisk]
    volumes: tuple[VolumeDisk, ...]

    @property
    def used(self) -> int:
        """Bytes of local ephemeral storage: layers, logs, and volumes that end with the pod and are on the node's disk."""
        return sum(one.used for one in self._ephemeral())

    @property
    def inodes(self) -> int:
        return sum(one.inodes for one in self._ephemeral())

    def _ephemeral(self) -> Iterable[Taken]:
        for container in self.containers.values():
            yield from (one for one in (container.layer, container.logs) if one is not None)
        yield from (one.taken for one in self.volumes if one.target.ephemeral and one.taken is not None)


def _sum(values: Iterable[int | None]) -> int | None:
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total
