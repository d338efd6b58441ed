"""What eviction must know of pods' consumption, and how it is asked for. Sizes in bytes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lightkube.models.core_v1 import Pod

from agent.kubelet.eviction.pressure import Observations


@dataclass(frozen=True, slots=True)
class DiskUse:
    """What files take."""

    used: int = 0
    inodes: int = 0

    def __add__(self, other: "DiskUse") -> "DiskUse":
        return DiskUse(self.used + other.used, self.inodes + other.inodes)


@dataclass(frozen=True, slots=True)
class ContainerUse:
    """memory: the working set. rootfs: the writable layer."""

    memory: int = 0
    rootfs: DiskUse = DiskUse()
    logs: DiskUse = DiskUse()


@dataclass(frozen=True, slots=True)
class PodUse:
    """volumes: local ones by name (emptyDir on disk and in memory, files of config maps …); `host`: its other files here."""

    containers: Mapping[str, ContainerUse] = field(default_factory=dict)
    volumes: Mapping[str, DiskUse] = field(default_factory=dict)
    #: Volumes of those whose files are on the node's disk.
    on_disk: frozenset[str] = frozenset()
    processes: int = 0
    host: DiskUse = DiskUse()

    @property
    def memory(self) -> int:
        return sum(one.memory for one in self.containers.values())

    def disk(self, kinds: Iterable[str]) -> DiskUse:
        """The sum of "rootfs", "logs" and "volumes", as asked for."""
        total = DiskUse()
        for kind in kinds:
            if kind == "volumes":
                for name in self.on_disk:
                    total += self.volumes[name]
            else:
                for one in self.containers.values():
                    total += one.rootfs if kind == "rootfs" else one.logs
        return total

    @property
    def ephemeral_storage(self) -> int:
        """All that counts against the pod's limit of local storage."""
        return (self.disk(("rootfs", "logs", "volumes")) + self.host).used


class NodeSignals(Protocol):
    """Blocking, but instant."""

    def observe(self) -> Observations: ...

    @property
    def dedicated_image_fs(self) -> bool:
        """Whether images and writable layers are on another file system than the pods' volumes."""
        ...


class PodUses(Protocol):
    async def of(self, pods: Sequence[Pod], *, disk: bool) -> Mapping[str, PodUse]:
        """By uid; a pod of which nothing is known is left out. disk: directories are walked, which may take a while."""
        ...
