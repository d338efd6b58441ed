"""Hands out the pieces of extended resources (GPUs and other devices) that the node's settings declare, each to one pod.

Called at a pod's admission and end; what a pod has stands in its record, from which a restarted agent learns it again
(`keep`). A container gets what it was given at every restart. Pure: it counts, the engine makes the devices.

https://kubernetes.io/docs/tasks/configure-pod-container/extended-resource/
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lightkube.models.core_v1 import Pod, ResourceRequirements

from agent.kubelet.admission.chain import Refusal
from agent.kubelet.pods import all_containers, init_containers, is_sidecar
from agent.runtime.spec import DeviceRequest
from agent.settings.devices import ExtendedResourceSettings
from proto.k8s.quantity import units

#: Ids by container name and resource.
Assignment = dict[str, dict[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class ContainerDevices:
    """What a container gets for its pieces. devices: host path, path inside, permissions."""

    devices: tuple[tuple[str, str, str], ...] = ()
    requests: tuple[DeviceRequest, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


class DeviceManager:
    """resources: by name, as the settings declare them."""

    def __init__(self, resources: Mapping[str, ExtendedResourceSettings]) -> None:
        self._resources = dict(resources)
        self._held: dict[str, Assignment] = {}

    @property
    def names(self) -> frozenset[str]:
        """The resources whose pieces have names."""
        return frozenset(name for name, one in self._resources.items() if one.ids)

    def keep(self, uid: str, assignment: Assignment) -> None:
        """A pod has these already."""
        if assignment:
            self._held[uid] = assignment

    def release(self, uid: str) -> None:
        """The pod has ended: others may have its pieces. Idempotent."""
        self._held.pop(uid, None)

    def allocate(self, uid: str, pod: Pod) -> Refusal | None:
        """Give the pod all that it asks for, or nothing and say why.

        The pieces of an init container that has ended serve the containers after it.
        """
        free = {name: self._free(name) for name in self.names}
        reusable: dict[str, list[str]] = {name: [] for name in self.names}
        assignment: Assignment = {}
        passing = {container.name for container in init_containers(pod) if not is_sidecar(container, pod)}
        for container in all_containers(pod):
            wanted = container.resources or ResourceRequirements()
            for name, quantity in {**(wanted.limits or {}), **(wanted.requests or {})}.items():
                count = units(quantity)
                if name not in free or count == 0:
                    continue
                ids = (reusable[name] + free[name])[:count]
                if len(ids) < count:
                    return _unavailable(name, count, len(ids))
                free[name] = [one for one in free[name] if one not in ids]
                if container.name not in passing:
                    reusable[name] = [one for one in reusable[name] if one not in ids]
                else:
                    reusable[name] += [one for one in ids if one not in reusable[name]]
                assignment.setdefault(container.name, {})[name] = tuple(ids)
        self.keep(uid, assignment)
        return None

    def held(self, uid: str) -> Assignment:
        return self._held.get(uid, {})

    def _free(self, name: str) -> list[str]:
        held = {one for pod in self._held.values() for container in pod.values() for one in container.get(name, ())}
        return [one for one in self._resources[name].ids if one not in held]

    def of_container(self, uid: str, container: str) -> ContainerDevices:
        """What the engine is asked for. A piece whose resource is no longer declared gives nothing."""
        devices: list[tuple[str, str, str]] = []
        requests: list[DeviceRequest] = []
        env: dict[str, str] = {}
        for name, ids in sorted(self._held.get(uid, {}).get(container, {}).items()):
            resource = self._resources.get(name)
            if resource is None:
                continue
            for template in resource.devices:
                for one in ids:
                    device = _device(template.replace("{id}", one))
                    if device not in devices:
                        devices.append(device)
            if resource.driver:
                requests.append(DeviceRequest(resource.driver, ids, resource.capabilities))
            env |= {variable: text.replace("{ids}", ",".join(ids)) for variable, text in resource.env.items()}
        return ContainerDevices(tuple(devices), tuple(requests), env)


def _device(text: str) -> tuple[str, str, str]:
    """ "HOST[:INSIDE[:PERMISSIONS]]"."""
    host, _, rest = text.partition(":")
    inside, _, permissions = rest.partition(":")
    return host, inside or host, permissions or "rwm"


def _unavailable(name: str, wanted: int, there: int) -> Refusal:
    problem = f"requested number of devices unavailable for {name}. Requested: {wanted}, Available: {there}"
    return Refusal("UnexpectedAdmissionError", f"Allocate failed due to {problem}, which is unexpected")
