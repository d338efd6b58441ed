"""Cluster: the nodes and what runs on them, as the scheduler counts it: informed by the API, ahead of it by what is assumed.

A node keeps its slot (an index) for life, so that results per node can be kept in arrays. Each change of a node is noted in a
change log; who keeps results asks `changed_since` and recomputes only these slots.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lightkube.models.core_v1 import Taint
from lightkube.resources.core_v1 import Node

from master.scheduler.framework import ClusterEvent
from master.scheduler.pod import HostPort, PodInfo, PodShape, amount

#: Changes that are remembered; who is further behind recomputes everything.
_LOG = 20_000


@dataclass(slots=True, eq=False)
class NodeInfo:
    """A node's state. `exists` is False while pods name a node that the API does not show."""

    name: str
    slot: int
    exists: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Taint] = ()
    unschedulable: bool = False
    allocatable: Mapping[str, int] = field(default_factory=dict)
    images: Mapping[str, int] = field(default_factory=dict)
    """Sizes in bytes by name."""
    pods: dict[tuple[str, str], PodInfo] = field(default_factory=dict)
    requested: dict[str, int] = field(default_factory=dict)
    scored_cpu: int = 0
    scored_memory: int = 0
    host_ports: list[HostPort] = field(default_factory=list)
    owners: dict[str, int] = field(default_factory=dict)
    """How many pods each controller has here."""

    def add(self, pod: PodInfo) -> None:
        self.pods[pod.key] = pod
        self._count(pod.shape, 1)
        self.host_ports.extend(pod.shape.host_ports)

    def remove(self, pod: PodInfo) -> None:
        del self.pods[pod.key]
        self._count(pod.shape, -1)
        for port in pod.shape.host_ports:
            self.host_ports.remove(port)

    def _count(self, shape: PodShape, sign: int) -> None:
        for resource, value in shape.requests.items():
            self.requested[resource] = self.requested.get(resource, 0) + sign * value
        self.scored_cpu += sign * shape.scored_cpu
        self.scored_memory += sign * shape.scored_memory
        if shape.owner:
            count = self.owners.get(shape.owner, 0) + sign
            if count:
                self.owners[shape.owner] = count
            else:
                self.owners.pop(shape.owner, None)


class Cluster:
    """All nodes. `slots` may hold None for a node that is gone; never change it."""

    def __init__(self) -> None:
        self.slots: list[NodeInfo | None] = []
        self.existing = 0
        """How many nodes the API shows."""
        self.with_affinity: dict[PodShape, dict[tuple[str, str], NodeInfo]] = {}
        """Where the pods are that have rules about other pods, by shape: each shape's rules are looked at once."""
        self.namespaces: dict[str, Mapping[str, str]] = {}
        """Labels of each."""
        self.namespaces_version = 0
        self.image_nodes: dict[str, int] = {}
        """On how many nodes each image is."""
        self._by_name: dict[str, NodeInfo] = {}
        self._free: list[int] = []
        self._node_of: dict[tuple[str, str], NodeInfo] = {}
        self._changes: list[int] = []
        self._forgotten = 0

    # Results kept elsewhere

    @property
    def position(self) -> int:
        """The end of the change log."""
        return self._forgotten + len(self._changes)

    def changed_since(self, position: int) -> Iterable[int]:
        """Slots that changed after a position of the log, all of them when that is forgotten."""
        if position < self._forgotten:
            return range(len(self.slots))
        return set(self._changes[position - self._forgotten :])

    def _changed(self, node: NodeInfo) -> None:
        self._changes.append(node.slot)
        if len(self._changes) > 2 * _LOG:
            del self._changes[:_LOG]
            self._forgotten += _LOG

    # Nodes

    def nodes(self) -> Sequence[NodeInfo]:
        return [node for node in self.slots if node is not None and node.exists]

    def node(self, name: str) -> NodeInfo | None:
        return self._by_name.get(name)

    def _obtain(self, name: str) -> NodeInfo:
        node = self._by_name.get(name)
        if node is None:
            slot = self._free.pop() if self._free else len(self.slots)
            node = self._by_name[name] = NodeInfo(name=name, slot=slot)
            if slot == len(self.slots):
                self.slots.append(node)
            else:
                self.slots[slot] = node
        return node

    def put_node(self, node: Node) -> frozenset[ClusterEvent]:
        """Take over a node as the API shows it; what changed about it for pods that wait."""
        assert node.metadata is not None
        info = self._obtain(node.metadata.name or "")
        labels = node.metadata.labels or {}
        taints = (node.spec.taints if node.spec else None) or ()
        unschedulable = bool(node.spec and node.spec.unschedulable)
        quantities = (node.status.allocatable or node.status.capacity if node.status else None) or {}
        allocatable = {name: amount(name, quantity) for name, quantity in quantities.items()}
        reported = (node.status.images if node.status else None) or ()
        images = {name: image.sizeBytes or 0 for image in reported for name in image.names or ()}
        events = set()
        if not info.exists:
            info.exists = True
            self.existing += 1
            events.add(ClusterEvent.NODE_ADDED)
        if labels != info.labels:
            events.add(ClusterEvent.NODE_LABELS)
        if taints != info.taints or unschedulable != info.unschedulable:
            events.add(ClusterEvent.NODE_TAINTS)
        if allocatable != info.allocatable:
            events.add(ClusterEvent.NODE_ALLOCATABLE)
        if not events and images == info.images:
            return frozenset()
        self._count_images(info.images, -1)
        self._count_images(images, 1)
        info.labels, info.taints, info.unschedulable = labels, taints, unschedulable
        info.allocatable, info.images = allocatable, images
        self._changed(info)
        return frozenset(events)

    def _count_images(self, images: Mapping[str, int], sign: int) -> None:
        for name in images:
            count = self.image_nodes.get(name, 0) + sign
            if count:
                self.image_nodes[name] = count
            else:
                self.image_nodes.pop(name, None)

    def remove_node(self, name: str) -> None:
        info = self._by_name.get(name)
        if info is None or not info.exists:
            return
        self.existing -= 1
        info.exists = False
        self._count_images(info.images, -1)
        info.images = {}
        self._changed(info)
        self._release(info)

    def _release(self, info: NodeInfo) -> None:
        if not info.exists and not info.pods:
            del self._by_name[info.name]
            self.slots[info.slot] = None
            self._free.append(info.slot)

    # Namespaces

    def put_namespace(self, name: str, labels: Mapping[str, str] | None) -> None:
        """A namespace as the API shows it; None when it is gone."""
        if labels is None:
            self.namespaces.pop(name, None)
        elif self.namespaces.get(name) == labels:
            return
        else:
            self.namespaces[name] = labels
        self.namespaces_version += 1

    # Pods

    def place(self, pod: PodInfo, node_name: str) -> bool:
        """Count a pod on its node, moving it there; whether anything changed."""
        before = self._node_of.get(pod.key)
        if before is not None:
            counted = before.pods[pod.key]
            if before.name == node_name and counted.shape is pod.shape and counted.labels == pod.labels:
                return False
            self.remove(pod.key)
        node = self._obtain(node_name)
        node.add(pod)
        self._node_of[pod.key] = node
        if pod.shape.affinity is not None:
            self.with_affinity.setdefault(pod.shape, {})[pod.key] = node
        self._changed(node)
        return True

    def remove(self, key: tuple[str, str]) -> bool:
        """Stop counting a pod; whether it was counted."""
        node = self._node_of.pop(key, None)
        if node is None:
            return False
        pod = node.pods[key]
        node.remove(pod)
        if pod.shape.affinity is not None:
            alike = self.with_affinity[pod.shape]
            del alike[key]
            if not alike:
                del self.with_affinity[pod.shape]
        self._changed(node)
        self._release(node)
        return True

    def node_of(self, key: tuple[str, str]) -> str | None:
        """The node on which a pod is counted."""
        node = self._node_of.get(key)
        return node.name if node else None
