"""In-place resize of one pod's containers, the pure part: amounts, and what must change on the engine. Used by the resizer.

    spec ──admitted (agent.kubelet.resize.allocation)──► allocated ──engine told, or container restarted──► actuated

A container is never restarted for what it merely has on the engine: only when what it was given (allocated) is not what it
was last brought to (actuated), both from the pod's record, and the engine's own limits differ too. So neither a lost record
nor an agent that computes limits otherwise than the one before touches it. Source: KEP-1287, kubelet's computePodResizeAction.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec
from lightkube.models.core_v1 import Container, Pod, ResourceRequirements

from agent.kubelet.pod.observation import PodObservation, in_sandbox
from agent.kubelet.pod.record import Amounts
from agent.kubelet.pod.resources import resources
from agent.kubelet.pods import containers, init_containers, is_sidecar, spec_of
from agent.runtime.spec import ContainerState, ResourceLimits

Json = dict[str, Any]
Resource = Literal["cpu", "memory"]

RESIZABLE: tuple[Resource, ...] = ("cpu", "memory")
NOTHING = Amounts()


@dataclass(frozen=True, slots=True)
class Step:
    """One container's engine limits are to change. grows: the engine gives more of `resource` than before."""

    container: Container
    state: ContainerState
    resource: Resource
    limits: ResourceLimits
    grows: bool
    restart: bool

    @property
    def shrinks_memory(self) -> bool:
        return self.resource == "memory" and not self.grows


def resizable(pod: Pod) -> list[Container]:
    return [*(one for one in init_containers(pod) if is_sidecar(one, pod)), *containers(pod)]


def amounts(pod: Pod) -> dict[str, Amounts]:
    """CPU and memory of each container that can be resized, as the manifest writes them."""
    return {container.name: _amounts(container) for container in resizable(pod)}


def _amounts(container: Container) -> Amounts:
    wanted = container.resources or ResourceRequirements()
    return Amounts(requests=_resizable(wanted.requests), limits=_resizable(wanted.limits))


def _resizable(quantities: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: str(quantities[name]) for name in RESIZABLE if quantities and name in quantities}


def with_amounts(pod: Pod, given: Mapping[str, Amounts]) -> Pod:
    """The pod with the CPU and memory that it was given instead of what its manifest asks now."""
    if amounts(pod) == {container.name: given.get(container.name, NOTHING) for container in resizable(pod)}:
        return pod
    names = {container.name for container in resizable(pod)}

    def replaced(found: Iterable[Container]) -> list[Container]:
        return [_replaced(one, given.get(one.name, NOTHING)) if one.name in names else one for one in found]

    spec = msgspec.structs.replace(
        spec_of(pod), containers=replaced(containers(pod)), initContainers=replaced(init_containers(pod))
    )
    return msgspec.structs.replace(pod, spec=spec)


def _replaced(container: Container, given: Amounts) -> Container:
    wanted = container.resources or ResourceRequirements()
    return msgspec.structs.replace(
        container,
        resources=msgspec.structs.replace(
            wanted, requests=_others(wanted.requests) | given.requests, limits=_others(wanted.limits) | given.limits
        ),
    )


def _others(quantities: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (quantities or {}).items() if name not in RESIZABLE}


def limits_of(pod: Pod, container: Container, *, node_memory: int) -> ResourceLimits:
    """The engine's settings for a container as its pod stands."""
    wanted = resources(pod, container, node_memory=node_memory)
    return ResourceLimits(wanted.cpu_shares, wanted.cpu_quota, wanted.cpu_period, wanted.memory)


def steps(pod: Pod, observed: PodObservation, *, unsettled: Iterable[str], node_memory: int) -> list[Step]:
    """What to change, in order: memory before CPU, and of each what shrinks before what grows.

    pod: with the amounts it was given. unsettled: names of containers that were not brought to these yet.
    """
    found: list[Step] = []
    wanted = frozenset(unsettled)
    for container in resizable(pod):
        state = observed.newest(container.name)
        if container.name in wanted and state is not None and state.running and in_sandbox(state, observed.sandbox):
            found += _steps(container, state, limits_of(pod, container, node_memory=node_memory))
    return sorted(found, key=lambda step: (step.resource == "cpu", step.grows))


def _steps(container: Container, state: ContainerState, wanted: ResourceLimits) -> Iterator[Step]:
    now = state.limits
    # A limit that is gone cannot be lifted from a running container; the API refuses to remove one.
    if wanted.memory and wanted.memory != now.memory:
        memory = ResourceLimits(memory=wanted.memory)
        grows = 0 < now.memory < wanted.memory
        yield Step(container, state, "memory", memory, grows, _restarts(container, "memory"))
    quota = bool(wanted.cpu_quota) and wanted.cpu_quota != now.cpu_quota
    if quota or wanted.cpu_shares != now.cpu_shares:
        cpu = replace(wanted, memory=0)
        grows = wanted.cpu_quota > now.cpu_quota if quota and now.cpu_quota else wanted.cpu_shares > now.cpu_shares
        yield Step(container, state, "cpu", cpu, grows, _restarts(container, "cpu"))


def _restarts(container: Container, resource: Resource) -> bool:
    return any(
        one.resourceName == resource and one.restartPolicy == "RestartContainer" for one in container.resizePolicy or ()
    )


def shown(container: Container, given: Amounts | None = None) -> Json:
    """A container's resources as its status shows them: with these amounts instead of its own, when given."""
    own = container.resources or ResourceRequirements()
    requests, limits = dict(own.requests or {}), dict(own.limits or {})
    if given is not None:
        requests, limits = _others(requests) | given.requests, _others(limits) | given.limits
    found: Json = {}
    if limits:
        found["limits"] = limits
    if requests:
        found["requests"] = requests
    return found
