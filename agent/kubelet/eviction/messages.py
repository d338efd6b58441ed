"""What an evicted pod is told, in kubelet's words. Pure."""

from collections.abc import Iterable
from decimal import Decimal

from lightkube.models.core_v1 import Container, Pod

from agent.kubelet.eviction.pressure import RESOURCES, Observations
from agent.kubelet.eviction.usage import ContainerUse, PodUse
from agent.kubelet.pod.limits import amount, pod_limit
from agent.kubelet.pods import all_containers, spec_of
from agent.settings.eviction import Threshold
from proto.k8s.quantity import binary_text, decimal_text, units

REASON = "Evicted"


def shortage(pod: Pod, use: PodUse | None, thresholds: Iterable[Threshold], seen: Observations, signal: str) -> str:
    """Why a pod goes for a shortage of the node."""
    resource = RESOURCES[signal]
    message = f"The node was low on resource: {resource}. "
    for threshold in thresholds:
        observed = seen.get(threshold.signal)
        if observed is not None and RESOURCES[threshold.signal] == resource:
            wanted = _text(resource, threshold.amount.of(observed.capacity))
            message += f"Threshold quantity: {wanted}, available: {_text(resource, observed.available)}. "
            break
    for container in all_containers(pod):
        one = use.containers.get(container.name) if use is not None else None
        used = _used(one, resource) if one is not None else None
        request = _request(container, resource)
        if used is not None and used > amount(resource, request):
            message += (
                f"Container {container.name} was using {_text(resource, used)}, request is {request}, "
                f"has larger consumption of {resource}. "
            )
    return message


def excess(pod: Pod, use: PodUse, *, dedicated_image_fs: bool) -> str:
    """Why a pod goes for its own use of local storage; empty when it keeps within its limits."""
    for volume in spec_of(pod).volumes or ():
        limit = volume.emptyDir.sizeLimit if volume.emptyDir is not None else None
        taken = use.volumes.get(volume.name)
        if limit and taken is not None and taken.used > units(limit) > 0:
            return f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{limit}". '
    total = pod_limit(pod, "ephemeral-storage")
    if total is not None and use.ephemeral_storage > total:
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {binary_text(total)}. "
    for container in spec_of(pod).containers:
        limit = (container.resources.limits or {}).get("ephemeral-storage") if container.resources is not None else None
        one = use.containers.get(container.name)
        if limit and one is not None:
            used = one.logs.used + (0 if dedicated_image_fs else one.rootfs.used)
            if used > units(limit) > 0:
                return f'Container {container.name} exceeded its local ephemeral storage limit "{limit}". '
    return ""


def limited(pod: Pod) -> bool:
    """Whether anything limits the pod's use of local storage, so that it must be measured."""
    sizes = any(one.emptyDir is not None and one.emptyDir.sizeLimit for one in spec_of(pod).volumes or ())
    return sizes or pod_limit(pod, "ephemeral-storage") is not None


def _used(use: ContainerUse, resource: str) -> int | None:
    if resource == "memory":
        return use.memory
    return use.rootfs.used + use.logs.used if resource == "ephemeral-storage" else None


def _request(container: Container, resource: str) -> str:
    requests = (container.resources.requests if container.resources is not None else None) or {}
    return str(requests.get(resource, "0"))


def _text(resource: str, value: int) -> str:
    return binary_text(value) if resource in ("memory", "ephemeral-storage") else decimal_text(Decimal(value))
