"""Sets up the volumes of one pod and names the mounts of its containers. Used by the pod worker.

The blocking work of the volume types runs on threads. Nothing here is remembered: each call looks again.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from lightkube.models.core_v1 import Container, Pod, VolumeMount

from agent.kubelet.environment import InvalidContainer, expand
from agent.kubelet.pod_directory import PodDirectory
from agent.kubelet.pods import spec_of
from agent.runtime.spec import Mount
from agent.volumes.protocol import MountFailed, VolumeContext
from agent.volumes.references import ObjectMissing, References
from agent.volumes.registry import plugin_for
from agent.volumes.subpath import prepare

_PROPAGATION = {"None": "rprivate", "HostToContainer": "rslave", "Bidirectional": "rshared"}


class VolumesFailed(Exception):
    """Volumes that could not be set up: the message of each by the volume's name."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = problems


async def set_up(
    pod: Pod, *, directory: PodDirectory, references: References, allocatable: Callable[[], Mapping[str, str]]
) -> dict[str, Path]:
    """Host paths by volume. Raises VolumesFailed; what could be set up is."""
    volumes = spec_of(pod).volumes or []
    if not volumes:
        return {}
    available = allocatable()

    def work() -> tuple[dict[str, Path], dict[str, str]]:
        paths, problems = {}, {}
        for volume in volumes:
            try:
                plugin = plugin_for(volume)
                context = VolumeContext(pod, volume, directory.volume(volume, plugin), references, available)
                paths[volume.name] = plugin.set_up(context)
            except (MountFailed, ObjectMissing, OSError) as error:
                problems[volume.name] = f'MountVolume.SetUp failed for volume "{volume.name}" : {error}'
        return paths, problems

    paths, problems = await asyncio.to_thread(work)
    if problems:
        raise VolumesFailed(problems)
    return paths


async def mounts(
    container: Container, paths: Mapping[str, Path], *, directory: PodDirectory, variables: Mapping[str, str]
) -> tuple[Mount, ...]:
    """The container's volume mounts. Raises InvalidContainer (a subPath that cannot be had, a volume that is not declared)."""
    found = []
    for index, mount in enumerate(container.volumeMounts or ()):
        source = paths.get(mount.name)
        if source is None:
            raise InvalidContainer(f'volume "{mount.name}" is not declared')
        subpath = expand(mount.subPathExpr, variables) if mount.subPathExpr else mount.subPath
        if subpath:
            target = directory.subpath(mount.name, container.name, index)
            try:
                source = await asyncio.to_thread(prepare, source, subpath, target)
            except MountFailed as error:
                raise InvalidContainer(
                    f'failed to prepare subPath for volumeMount "{mount.name}" of container "{container.name}": {error}'
                ) from error
        found.append(Mount(str(source), _target(mount), bool(mount.readOnly), _PROPAGATION[mount.mountPropagation or "None"]))
    return tuple(found)


def _target(mount: VolumeMount) -> str:
    return mount.mountPath if mount.mountPath.startswith("/") else f"/{mount.mountPath}"
