"""Small questions about a pod's manifest that many parts ask. Pure."""

from datetime import datetime

from lightkube.models.core_v1 import Container, EphemeralContainer, Pod, PodSpec, ResourceRequirements

from agent.kubelet.labels import DEFAULT_GRACE
from proto.k8s.quantity import parse


def spec_of(pod: Pod) -> PodSpec:
    assert pod.spec is not None
    return pod.spec


def init_containers(pod: Pod) -> list[Container]:
    return spec_of(pod).initContainers or []


def containers(pod: Pod) -> list[Container]:
    return spec_of(pod).containers


def all_containers(pod: Pod) -> list[Container]:
    """Those that the pod was made with, init containers first, as they start."""
    return [*init_containers(pod), *containers(pod)]


def ephemeral_containers(pod: Pod) -> list[Container]:
    """Those that were added for debugging, as containers: they have the same fields, and a target (`target_of`)."""
    return [_as_container(one) for one in spec_of(pod).ephemeralContainers or []]


def every_container(pod: Pod) -> list[Container]:
    return [*all_containers(pod), *ephemeral_containers(pod)]


def is_ephemeral(container: Container, pod: Pod) -> bool:
    return any(container.name == one.name for one in spec_of(pod).ephemeralContainers or [])


def target_of(container: Container, pod: Pod) -> str:
    """The container whose processes an ephemeral container sees; "" for none."""
    found = (one.targetContainerName for one in spec_of(pod).ephemeralContainers or [] if one.name == container.name)
    return next(found, None) or ""


def _as_container(ephemeral: EphemeralContainer) -> Container:
    return Container(**{name: getattr(ephemeral, name) for name in _SHARED_FIELDS})


_SHARED_FIELDS = sorted(set(Container.__struct_fields__) & set(EphemeralContainer.__struct_fields__))


def is_sidecar(container: Container, pod: Pod) -> bool:
    """A restartable init container."""
    return container.restartPolicy == "Always" and any(container.name == one.name for one in init_containers(pod))


def restart_policy(pod: Pod) -> str:
    return spec_of(pod).restartPolicy or "Always"


def deletion_time(pod: Pod) -> datetime | None:
    return pod.metadata.deletionTimestamp if pod.metadata is not None else None


def grace_period(pod: Pod) -> int:
    """Seconds between SIGTERM and SIGKILL: the deletion's own, else the manifest's."""
    if pod.metadata is not None and pod.metadata.deletionGracePeriodSeconds is not None:
        return pod.metadata.deletionGracePeriodSeconds
    return spec_grace(pod)


def spec_grace(pod: Pod) -> int:
    grace = spec_of(pod).terminationGracePeriodSeconds
    return DEFAULT_GRACE if grace is None else grace


def field_path(pod: Pod, container: Container) -> str:
    """Where a container stands in its pod, as Events name it."""
    if is_ephemeral(container, pod):
        kind = "ephemeralContainers"
    else:
        kind = "initContainers" if any(container.name == one.name for one in init_containers(pod)) else "containers"
    return f"spec.{kind}{{{container.name}}}"


def qos_class(pod: Pod) -> str:
    """Guaranteed, Burstable or BestEffort.

    https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
    """
    requested = limited = False
    guaranteed = True
    for container in all_containers(pod):
        resources = container.resources or ResourceRequirements()
        requests, limits = resources.requests or {}, resources.limits or {}
        for name in ("cpu", "memory"):
            limit = limits.get(name)
            request = requests.get(name, limit)
            requested |= request is not None and parse(request) > 0
            limited |= limit is not None and parse(limit) > 0
            if limit is None or parse(limit) == 0 or request is None or parse(request) != parse(limit):
                guaranteed = False
    if not requested and not limited:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def named_ports(container: Container) -> dict[str, int]:
    return {port.name: port.containerPort for port in container.ports or () if port.name}
