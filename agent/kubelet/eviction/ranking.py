"""In which order pods go when something is short. Pure; called by the eviction manager.

First those that use more than they requested (or of which nothing is known), then by priority, then by how much more.
https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#pod-selection-for-kubelet-eviction
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lightkube.models.core_v1 import Pod

from agent.kubelet.critical import priority
from agent.kubelet.eviction.pressure import RESOURCES
from agent.kubelet.eviction.usage import PodUse
from agent.kubelet.labels import identity
from agent.kubelet.pod.limits import pod_request


def ranked(pods: Sequence[Pod], uses: Mapping[str, PodUse], signal: str, *, dedicated_image_fs: bool) -> list[Pod]:
    """Who goes first stands first."""
    resource = RESOURCES[signal]
    kinds = _kinds(signal, dedicated_image_fs=dedicated_image_fs)

    def key(pod: Pod) -> tuple[Any, ...]:
        use = uses.get(identity(pod).uid)
        if resource == "pids":
            return (priority(pod), use is not None, -(use.processes if use is not None else 0))
        if use is None:
            return (False, priority(pod), 0)
        used = _used(use, resource, kinds)
        # No one requests inodes.
        request = pod_request(pod, resource) if resource != "inodes" else 0
        return (used <= request, priority(pod), request - used)

    # Where nothing tells two apart, the younger goes first.
    return sorted(pods, key=lambda pod: (*key(pod), -_started(pod)))


def _used(use: PodUse, resource: str, kinds: Iterable[str]) -> int:
    if resource == "memory":
        return use.memory
    disk = use.disk(kinds)
    return disk.inodes if resource == "inodes" else disk.used


def _kinds(signal: str, *, dedicated_image_fs: bool) -> tuple[str, ...]:
    """What of a pod is on the file system of this signal."""
    if not dedicated_image_fs:
        return ("rootfs", "logs", "volumes")
    return ("rootfs",) if signal.startswith("imagefs") else ("logs", "volumes")


def _started(pod: Pod) -> float:
    metadata = pod.metadata
    made = metadata.creationTimestamp if metadata is not None else None
    return made.timestamp() if made is not None else 0.0
