"""Scratch space that lives as long as its pod. https://kubernetes.io/docs/concepts/storage/volumes/#emptydir

On disk `sizeLimit` is enforced by eviction (`agent.kubelet.eviction`); in memory the kernel enforces the smallest of
`sizeLimit`, the pod's memory limit and the node's allocatable memory (kubelet's SizeMemoryBackedVolumes).
"""

import os
from collections.abc import Mapping
from pathlib import Path

from lightkube.models.core_v1 import Container, Pod

from agent.volumes.mounts import is_mount, mount_huge_pages, mount_tmpfs
from agent.volumes.protocol import MountFailed, Prepared, VolumeContext
from proto.k8s.quantity import units

_HUGE_PAGES = "HugePages"
_HUGE_RESOURCE = "hugepages-"


class EmptyDirVolume:
    source = "emptyDir"
    live = False

    def set_up(self, context: VolumeContext) -> Prepared:
        asked, directory = context.volume.emptyDir, context.directory
        medium = (asked.medium if asked is not None else None) or ""
        if medium == "":
            if not directory.exists():
                _make(directory, context.fs_group)
        elif medium == "Memory":
            limit = units(asked.sizeLimit) if asked is not None and asked.sizeLimit else 0
            size = memory_size(context.pod, limit=limit, allocatable=context.allocatable)
            directory.mkdir(parents=True, exist_ok=True)
            if not is_mount(directory):
                try:
                    mount_tmpfs(directory, size=size, mode=_mode(context.fs_group), group=context.fs_group, secret=True)
                except OSError as error:
                    raise MountFailed(f"mount of a tmpfs failed: {error.strerror}") from error
        elif medium == _HUGE_PAGES or medium.startswith(f"{_HUGE_PAGES}-"):
            page_size = huge_page_size(context.pod, medium)
            directory.mkdir(parents=True, exist_ok=True)
            if not is_mount(directory):
                try:
                    mount_huge_pages(directory, page_size=page_size, mode=_mode(context.fs_group), group=context.fs_group)
                except OSError as error:
                    raise MountFailed(f"mount of hugetlbfs failed: {error.strerror}") from error
        else:
            raise MountFailed(f'unknown storage medium "{medium}"')
        return Prepared(directory)


def memory_size(pod: Pod, *, limit: int, allocatable: Mapping[str, str]) -> int:
    """Bytes that a volume in memory may have; 0: nothing bounds it."""
    bounds = (limit, _memory_limit(pod), units(allocatable.get("memory", "0")))
    return min((bound for bound in bounds if bound > 0), default=0)


def _memory_limit(pod: Pod) -> int:
    """What all of the pod may use; 0 when one of its containers has no limit (kubelet's ResourceConfigForPod)."""
    spec = pod.spec
    assert spec is not None
    inits = spec.initContainers or []
    if not all(_limit(one) for one in (*spec.containers, *inits)):
        return 0
    sidecars = sum(_limit(one) for one in inits if one.restartPolicy == "Always")
    together = sum(_limit(one) for one in spec.containers) + sidecars
    alone = max((_limit(one) + sidecars for one in inits if one.restartPolicy != "Always"), default=0)
    return max(together, alone) + units((spec.overhead or {}).get("memory", "0"))


def _limit(container: Container) -> int:
    limits = (container.resources.limits if container.resources is not None else None) or {}
    return units(limits.get("memory", "0"))


def huge_page_size(pod: Pod, medium: str) -> str:
    """The page size to mount with, as the kernel's mount option takes it ("2M"). Raises MountFailed."""
    spec = pod.spec
    assert spec is not None
    sizes: dict[int, str] = {}
    for container in (*spec.containers, *(spec.initContainers or ())):
        requests = (container.resources.requests if container.resources is not None else None) or {}
        for name in requests:
            if name.startswith(_HUGE_RESOURCE):
                size = name.removeprefix(_HUGE_RESOURCE)
                sizes[units(size)] = size
    if medium == _HUGE_PAGES:
        if len(sizes) > 1:
            raise MountFailed(f"medium: {medium} can't be used if container requests multiple huge page sizes")
        wanted = next(iter(sizes), 0)
    else:
        wanted = units(medium.removeprefix(f"{_HUGE_PAGES}-"))
    if wanted not in sizes:
        raise MountFailed(f"medium {medium} requested, but there is no resource request for huge pages")
    return sizes[wanted].removesuffix("i")


def _make(directory: Path, group: int | None) -> None:
    """Appears at once with its mode: an agent that is killed in between must not leave one that nobody can write to."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    fresh = directory.with_name(f".{directory.name}.new")
    fresh.mkdir(exist_ok=True)
    if group is not None:
        os.chown(fresh, -1, group)
    fresh.chmod(_mode(group))
    fresh.rename(directory)


def _mode(group: int | None) -> int:
    """setgid: what is made inside belongs to the group as well."""
    return 0o777 if group is None else 0o2777


PLUGIN = EmptyDirVolume()
