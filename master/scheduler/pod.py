"""What of a pod matters for placing it, taken from the typed object once.

`PodShape` holds what depends on nothing but the spec and the owner; pods of one ReplicaSet share one, so what was found out
for one of them holds for all (see `master.scheduler.placement`). `PodInfo` adds what is the pod's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from lightkube.models.core_v1 import (
    Affinity,
    Container,
    NodeSelectorTerm,
    PodSpec,
    Toleration,
    TopologySpreadConstraint,
)
from lightkube.resources.core_v1 import Pod

from master.client.selectors import EVERYTHING, NOTHING, InvalidSelector, LabelSelector, of_map, requirement
from proto.k8s.quantity import InvalidQuantity, milli, units

SCHEDULER_NAME = "default-scheduler"

#: What a container without requests counts as when nodes are scored, so that many such pods spread too (Kubernetes' values).
_DEFAULT_CPU = 100
_DEFAULT_MEMORY = 200 << 20

_SHAPES = 4_096

HostPort = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """A nodeSelectorTerm: labels and fields must both match. Fields know metadata.name only, as in Kubernetes."""

    labels: LabelSelector
    fields: LabelSelector

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        return self.labels.matches(labels) and (not self.fields or self.fields.matches({"metadata.name": name}))


@dataclass(frozen=True, slots=True, eq=False)
class PodShape:
    """Compared by identity: equal pods get the same one from `Shapes`."""

    owner: str
    """The uid of the controller: its pods are spread over the nodes; "" for none."""
    namespace: str
    requests: Mapping[str, int]
    """By resource: cpu in millicores, others in their units."""
    scored_cpu: int
    scored_memory: int
    host_ports: Sequence[HostPort]
    """Address ("0.0.0.0" for all), protocol, port."""
    node_selector: LabelSelector
    required: Sequence[NodeTerm] | None
    """Any of these; None for no requirement."""
    preferred: Sequence[tuple[int, NodeTerm]]
    tolerations: Sequence[Toleration]
    images: Sequence[str]
    affinity: Affinity | None
    spread: Sequence[TopologySpreadConstraint]


@dataclass(frozen=True, slots=True)
class PodInfo:
    """A pod as the scheduler knows it."""

    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]
    priority: int
    shape: PodShape

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name


_NO_LABELS: Mapping[str, str] = {}


class Shapes:
    """Makes PodInfo, giving pods that are alike one shape. Bounded: the oldest shapes are forgotten, which costs time only."""

    def __init__(self) -> None:
        self._shapes: dict[bytes, PodShape] = {}
        self._encoder = msgspec.msgpack.Encoder()

    def info(self, pod: Pod) -> PodInfo:
        metadata, spec = pod.metadata, pod.spec
        if metadata is None or spec is None:
            raise ValueError("pod without metadata or spec")
        owner = next((o.uid for o in metadata.ownerReferences or () if o.controller), "")
        return PodInfo(
            namespace=metadata.namespace or "",
            name=metadata.name or "",
            uid=metadata.uid or "",
            labels=metadata.labels or _NO_LABELS,
            priority=spec.priority or 0,
            shape=self._shape(owner, metadata.namespace or "", spec),
        )

    def _shape(self, owner: str, namespace: str, spec: PodSpec) -> PodShape:
        containers = [
            (c.resources, c.ports, c.image, c.restartPolicy) for c in (*spec.containers, *(spec.initContainers or ()))
        ]
        key = self._encoder.encode(
            (
                owner,
                namespace,
                len(spec.containers),
                containers,
                spec.overhead,
                spec.hostNetwork,
                spec.nodeSelector,
                spec.affinity,
                spec.tolerations,
                spec.topologySpreadConstraints,
            )
        )
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= _SHAPES:
                del self._shapes[next(iter(self._shapes))]
            shape = self._shapes[key] = _shape(owner, namespace, spec)
        return shape


def _shape(owner: str, namespace: str, spec: PodSpec) -> PodShape:
    affinity = spec.affinity.nodeAffinity if spec.affinity else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity else None
    preferred = (affinity.preferredDuringSchedulingIgnoredDuringExecution if affinity else None) or ()
    requests = _requests(spec)
    return PodShape(
        owner=owner,
        namespace=namespace,
        requests=requests,
        scored_cpu=requests.get("cpu", 0) or _DEFAULT_CPU * len(spec.containers),
        scored_memory=requests.get("memory", 0) or _DEFAULT_MEMORY * len(spec.containers),
        host_ports=_host_ports(spec),
        node_selector=of_map(spec.nodeSelector) if spec.nodeSelector else EVERYTHING,
        required=None if required is None else [_term(term) for term in required.nodeSelectorTerms],
        preferred=[(term.weight, _term(term.preference)) for term in preferred if term.weight],
        tolerations=spec.tolerations or (),
        images=[_image_name(c.image) for c in spec.containers if c.image],
        affinity=spec.affinity if spec.affinity and (spec.affinity.podAffinity or spec.affinity.podAntiAffinity) else None,
        spread=spec.topologySpreadConstraints or (),
    )


def _term(term: NodeSelectorTerm) -> NodeTerm:
    """An empty term matches no node, as Kubernetes has it."""
    if not term.matchExpressions and not term.matchFields:
        return NodeTerm(NOTHING, EVERYTHING)
    try:
        labels = LabelSelector(tuple(requirement(e.key, e.operator, e.values or []) for e in term.matchExpressions or ()))
        fields = LabelSelector(tuple(requirement(e.key, e.operator, e.values or []) for e in term.matchFields or ()))
    except InvalidSelector:
        return NodeTerm(NOTHING, EVERYTHING)
    return NodeTerm(labels, fields)


def _image_name(image: str) -> str:
    """With its tag, as nodes report it."""
    return image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"


def _host_ports(spec: PodSpec) -> Sequence[HostPort]:
    sidecars = [c for c in spec.initContainers or () if c.restartPolicy == "Always"]
    found = []
    for container in (*spec.containers, *sidecars):
        for port in container.ports or ():
            number = port.hostPort or (port.containerPort if spec.hostNetwork else 0)
            if number:
                found.append((port.hostIP or "0.0.0.0", port.protocol or "TCP", number))
    return found


def amount(resource: str, quantity: str | int | float) -> int:
    """A quantity in the scheduler's unit of its resource; 0 for one that is none (the API lets none through)."""
    try:
        return milli(quantity) if resource == "cpu" else units(quantity)
    except InvalidQuantity:
        return 0


def _container_requests(container: Container) -> dict[str, int]:
    resources = container.resources
    if resources is None:
        return {}
    return {
        name: amount(name, quantity) for name, quantity in {**(resources.limits or {}), **(resources.requests or {})}.items()
    }


def _added(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    return {name: left.get(name, 0) + right.get(name, 0) for name in {**left, **right}}


def _requests(spec: PodSpec) -> Mapping[str, int]:
    """What a pod occupies: its containers and sidecars together, or any init container beside the sidecars started before it.

    Source: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
    """
    running: Mapping[str, int] = {}
    for container in spec.containers:
        running = _added(running, _container_requests(container))
    sidecars: Mapping[str, int] = {}
    peak: dict[str, int] = {}
    for container in spec.initContainers or ():
        own = _container_requests(container)
        if container.restartPolicy == "Always":
            sidecars = _added(sidecars, own)
            at_start = sidecars
        else:
            at_start = _added(sidecars, own)
        peak = {name: max(peak.get(name, 0), at_start.get(name, 0)) for name in {**peak, **at_start}}
    total = _added(running, sidecars)
    total = {name: max(total.get(name, 0), peak.get(name, 0)) for name in {**total, **peak}}
    overhead = {name: amount(name, quantity) for name, quantity in (spec.overhead or {}).items()}
    return {name: value for name, value in _added(total, overhead).items() if value}
