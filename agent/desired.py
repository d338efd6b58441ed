"""What the master last ordered for this node, in memory: the one place where kubelet, proxy, DNS and network read it.

Fed by `agent.link`'s receiver (after the order is on disk) and at start from the checkpoint. Typed and never mutated by a
reader. Changes are told as coalesced sets of keys: a slow reader sees the newest state, never a queue.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from lightkube.resources.core_v1 import (
    ConfigMap,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    Secret,
    Service,
)
from lightkube.resources.discovery_v1 import EndpointSlice
from lightkube.resources.node_v1 import RuntimeClass

from proto.messages import NodeOrder

ResourceName = Literal[
    "pods",
    "configmaps",
    "secrets",
    "persistentvolumeclaims",
    "persistentvolumes",
    "runtimeclasses",
    "services",
    "endpointslices",
    "nodes",
    "node",
]

#: (namespace, name)
ObjectKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """Something of this resource is new, different or gone: read it to know. A pod's `name` is its uid."""

    resource: ResourceName
    namespace: str
    name: str


class Subscription:
    """One reader's pending changes."""

    def __init__(self, resources: frozenset[ResourceName]) -> None:
        self.resources = resources
        self._pending: set[Change] = set()
        self._wake = asyncio.Event()

    def offer(self, change: Change) -> None:
        if change.resource in self.resources:
            self._pending.add(change)
            self._wake.set()

    async def changes(self) -> frozenset[Change]:
        """Wait for changes; all that came since the last call."""
        await self._wake.wait()
        pending = frozenset(self._pending)
        self._pending.clear()
        self._wake.clear()
        return pending


@dataclass(slots=True)
class DesiredState:
    """Objects by key. `pods` is keyed by uid; a pod leaves it only by an explicit order (see proto.messages)."""

    pods: dict[str, Pod] = field(default_factory=dict)
    config_maps: dict[ObjectKey, ConfigMap] = field(default_factory=dict)
    secrets: dict[ObjectKey, Secret] = field(default_factory=dict)
    claims: dict[ObjectKey, PersistentVolumeClaim] = field(default_factory=dict)
    #: Those that are behind the claims.
    persistent_volumes: dict[str, PersistentVolume] = field(default_factory=dict)
    runtime_classes: dict[str, RuntimeClass] = field(default_factory=dict)
    services: dict[ObjectKey, Service] = field(default_factory=dict)
    endpoint_slices: dict[ObjectKey, EndpointSlice] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    #: This node's own order; None until the master has spoken once.
    node: NodeOrder | None = None
    #: The uids of the pods that the newest signed index lists; None until the master has sent one in this run. Only a
    #: running pod that is neither in `pods` nor here may be ended as an orphan: absence from `pods` alone proves nothing
    #: (its order may be on its way, or its checkpoint was damaged). A change of it is told as Change("pods", "", "").
    listed_pods: frozenset[str] | None = None
    _subscriptions: list[Subscription] = field(default_factory=list)

    @property
    def pods_complete(self) -> bool:
        """True when the master has said in this run which pods there are, and all of them are here: others are orphans."""
        return self.listed_pods is not None and self.listed_pods <= self.pods.keys()

    def subscribe(self, *resources: ResourceName) -> Subscription:
        """Hear of changes to these resources from now on; read the present state after subscribing."""
        subscription = Subscription(frozenset(resources))
        self._subscriptions.append(subscription)
        return subscription

    def tell(self, change: Change) -> None:
        """For the receiver: announce a change that is already in the maps."""
        for subscription in self._subscriptions:
            subscription.offer(change)
