"""Measures pods for the eviction manager, through `agent.stats`. Nothing is measured but when it is asked for.

Memory and processes come from control groups. Disk is walked, on a thread of its own that it may not keep busy: what was found
is good for as long as the manager waits between two looks, and longer where a walk takes long.
"""

from collections.abc import Callable, Mapping, Sequence

from lightkube.models.core_v1 import Pod

from agent.kubelet.eviction.usage import ContainerUse, DiskUse, PodUse
from agent.kubelet.labels import identity
from agent.stats.collector import Stats
from agent.stats.disk import DiskUsage
from agent.stats.filesystem import Taken
from agent.stats.samples import PodDisk, PodSample
from agent.stats.targets import PodTarget


class MeasuredPodUses:
    """usage: the node's statistics; targets: whose those are. good_seconds: how old a walk's result may be."""

    def __init__(self, usage: Stats, targets: Callable[[], Sequence[PodTarget]], *, good_seconds: float) -> None:
        self._usage = usage
        self._targets = targets
        self._wanted: frozenset[str] = frozenset()
        #: Of its own: only those that are wanted are walked, and anew more often than a statistic needs.
        self._disk = Stats(self._chosen, disk=DiskUsage(good_seconds=good_seconds))

    async def of(self, pods: Sequence[Pod], *, disk: bool) -> Mapping[str, PodUse]:
        """As agent.kubelet.eviction.usage.PodUses."""
        self._wanted = frozenset(identity(pod).uid for pod in pods)
        sample = await self._usage.usage()
        disks = await self._disk.disk() if disk else {}
        return {one.target.uid: _use(one, disks.get(one.target.uid)) for one in sample.pods if one.target.uid in self._wanted}

    def _chosen(self) -> list[PodTarget]:
        return [one for one in self._targets() if one.uid in self._wanted]


def _use(sample: PodSample, disk: PodDisk | None) -> PodUse:
    containers = {}
    for one in sample.containers:
        found = disk.containers.get(one.target.name) if disk is not None else None
        containers[one.target.name] = ContainerUse(
            memory=one.usage.memory.working_set if one.usage.memory is not None else 0,
            rootfs=_taken(found.layer if found is not None else None),
            logs=_taken(found.logs if found is not None else None),
        )
    volumes = [one for one in disk.volumes if one.taken is not None] if disk is not None else []
    return PodUse(
        containers=containers,
        volumes={one.target.name: _taken(one.taken) for one in volumes},
        on_disk=frozenset(one.target.name for one in volumes if one.target.ephemeral),
        processes=sample.processes or 0,
    )


def _taken(found: Taken | None) -> DiskUse:
    return DiskUse(found.used, found.inodes) if found is not None else DiskUse()
