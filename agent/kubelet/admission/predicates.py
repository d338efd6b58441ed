"""Whether a node takes a pod: what kubelet checks before it starts anything of it. Pure; called by the node's admission.

The scheduler has checked most of it, with what it knew; pods that name their node, or that two masters' schedulers bound at
once, were checked by nobody. Source: kubelet's lifecycle/predicate.go, admission handlers for sysctls and AppArmor.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lightkube.models.core_v1 import Pod, PodSecurityContext, ResourceRequirements

from agent.kubelet.admission.app_armor import app_armor_problem
from agent.kubelet.admission.chain import Refusal
from agent.kubelet.admission.node_affinity import fits
from agent.kubelet.admission.sysctls import forbidden
from agent.kubelet.critical import is_critical
from agent.kubelet.pod.limits import amount, pod_request
from agent.kubelet.pods import all_containers, spec_of
from proto.k8s.quantity import units

_ORDER = ("cpu", "memory", "ephemeral-storage")


@dataclass(frozen=True, slots=True)
class NodeState:
    """What pods are judged by. labels: None while they are not known. allocatable: quantities by resource."""

    name: str
    allocatable: Mapping[str, str]
    labels: Mapping[str, str] | None = None
    app_armor: bool = False
    allowed_unsafe_sysctls: Sequence[str] = ()
    #: Resources whose pieces the node hands out itself.
    devices: frozenset[str] = field(default_factory=frozenset)


def check(pod: Pod, node: NodeState, *, others: Iterable[Pod]) -> Refusal | None:
    """others: the pods that the node has taken and that have not ended.

    A critical pod is taken beside the others where kubelet would end some of them for it (ADR 33).
    """
    others = list(others)
    if reason := forbidden(pod, allowed_unsafe=node.allowed_unsafe_sysctls):
        return Refusal("SysctlForbidden", reason)
    if reason := app_armor_problem(pod, enabled=node.app_armor):
        return Refusal("AppArmor", reason)
    return (
        _operating_system(pod)
        or _groups_policy(pod)
        or (None if is_critical(pod) else _resources(pod, node, others))
        or _labels(pod, node)
        or _ports(pod, others)
    )


def _operating_system(pod: Pod) -> Refusal | None:
    spec = spec_of(pod)
    labels = (pod.metadata.labels if pod.metadata is not None else None) or {}
    if labels.get("kubernetes.io/os", "linux") != "linux":
        message = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"
        return Refusal("PodOSSelectorNodeLabelDoesNotMatch", message)
    if spec.os is not None and spec.os.name != "linux":
        return Refusal("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    return None


def _groups_policy(pod: Pod) -> Refusal | None:
    """Docker always adds the groups that the image gives the user: it cannot leave them out."""
    if (spec_of(pod).securityContext or PodSecurityContext()).supplementalGroupsPolicy == "Strict":
        message = "SupplementalGroupsPolicy=Strict is not supported in this node"
        return Refusal("SupplementalGroupsPolicyNotSupported", message)
    return None


def _resources(pod: Pod, node: NodeState, others: Sequence[Pod]) -> Refusal | None:
    allowed = units(node.allocatable.get("pods", "0"))
    if len(others) + 1 > allowed:
        return _insufficient("pods", 1, len(others), allowed)
    asked = _resource_names(pod)
    for name in [*(name for name in _ORDER if name in asked), *sorted(asked - set(_ORDER))]:
        wanted = pod_request(pod, name)
        # A resource that the node does not know is the cluster's own (or the scheduler's) affair.
        if wanted == 0 or name not in node.allocatable or name in node.devices:
            continue
        capacity, used = amount(name, node.allocatable[name]), sum(pod_request(other, name) for other in others)
        if used + wanted > capacity:
            return _insufficient(name, wanted, used, capacity)
    return None


def _resource_names(pod: Pod) -> set[str]:
    found = set(spec_of(pod).overhead or ())
    for container in all_containers(pod):
        wanted = container.resources or ResourceRequirements()
        found |= {*(wanted.requests or ()), *(wanted.limits or ())}
    return found


def _insufficient(name: str, wanted: int, used: int, capacity: int) -> Refusal:
    message = f"Node didn't have enough resource: {name}, requested: {wanted}, used: {used}, capacity: {capacity}"
    return Refusal(f"OutOf{name}", message)


def _labels(pod: Pod, node: NodeState) -> Refusal | None:
    if node.labels is None or fits(pod, labels=node.labels, name=node.name):
        return None
    return Refusal("NodeAffinity", "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector")


def _ports(pod: Pod, others: Sequence[Pod]) -> Refusal | None:
    taken = {port for other in others for port in _host_ports(other)}
    for protocol, number, address in _host_ports(pod):
        for other_protocol, other_number, other_address in taken:
            same = (protocol, number) == (other_protocol, other_number)
            if same and (address == other_address or "0.0.0.0" in (address, other_address)):
                message = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
                return Refusal("NodePorts", message)
    return None


def _host_ports(pod: Pod) -> list[tuple[str, int, str]]:
    host_network = bool(spec_of(pod).hostNetwork)
    return [
        (port.protocol or "TCP", port.hostPort or port.containerPort, port.hostIP or "0.0.0.0")
        for container in all_containers(pod)
        for port in container.ports or ()
        if port.hostPort or host_network
    ]
