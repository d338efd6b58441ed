"""Which pods hold more in an emptyDir on disk than its sizeLimit allows: they are evicted (kubelet's emptyDirLimitEviction).

Called by the eviction manager now and then, for one pod after the other. A pod without such a limit costs nothing. In memory
the kernel keeps the limit (`agent.volumes.empty_dir`).
"""

from pathlib import Path

from lightkube.models.core_v1 import Pod

from agent.kubelet.labels import identity
from agent.kubelet.pod_directory import PodDirectory
from agent.kubelet.pods import spec_of
from agent.volumes.disk_usage import disk_usage
from agent.volumes.registry import plugin_for
from proto.k8s.quantity import units


def limited_volumes(pod: Pod, root: Path) -> dict[Path, tuple[str, str]]:
    """Name and limit of each emptyDir on disk that has one, by its directory under the kubelet's root."""
    directory = PodDirectory.of(root, identity(pod).uid)
    found = {}
    for volume in spec_of(pod).volumes or ():
        asked = volume.emptyDir
        if asked is not None and not asked.medium and asked.sizeLimit:
            found[directory.volume(volume, plugin_for(volume))] = (volume.name, str(asked.sizeLimit))
    return found


async def over_limit(pod: Pod, root: Path) -> str | None:
    """Kubernetes' message for the first volume that is over its limit; None when none is. Raises UsageUnknown."""
    limits = limited_volumes(pod, root)
    used = await disk_usage(sorted(limits))
    for path, (name, limit) in limits.items():
        if units(limit) > 0 and used.get(path, 0) > units(limit):
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
    return None
