"""What a controller is and what it is given. Built by `master.app`; every controller gets the same, and takes what it needs.

Nothing here does anything: it is the seam between the application, the fleet (which knows the nodes' heartbeats) and the
controllers.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Protocol

from lightkube.core.resource import Resource

from master.client.events import EventRecorder
from master.client.protocol import Client
from master.informer import Informers
from master.pki.authority import Authority
from master.pki.service_account.keys import ServiceAccountKeys


class Controller(Protocol):
    """One control loop. `name` is what logs, metrics and events call it ("deployment", "node-lifecycle")."""

    @property
    def name(self) -> str: ...

    async def run(self) -> None:
        """Wait for the caches, then work until cancelled."""
        ...


class ServedKinds(Protocol):
    """What the API serves; custom resources come and go."""

    def types(self) -> Mapping[tuple[str, str], type[Resource]]:
        """Every kind that is stored as what it is and that can be listed and deleted, by apiVersion and kind.

        Versions of one resource have one type.
        """
        ...

    def on_change(self, handler: Callable[[], None]) -> None:
        """Called after each change. It must return quickly."""
        ...


class Clock(Protocol):
    """Time, as a parameter so that deadlines are tested without waiting."""

    def now(self) -> datetime:
        """The time of day, in UTC; for what is written into objects."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps; for time-outs."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class Requestor:
    """Somebody who asked for something, as admission wrote it down."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


class NodeHeartbeats(Protocol):
    """What the fleet knows of the nodes' life; implemented by `master.fleet`. Times are monotonic seconds of this process."""

    def last_seen(self, node: str) -> float | None:
        """When the node was heard last; None when it was not since this master started."""
        ...

    def suspected(self, node: str) -> float | None:
        """When the broker reported the node's Last Will; None when it has reconnected since, or never left."""
        ...


class AccessReviewer(Protocol):
    """What others may do, as a SubjectAccessReview answers it."""

    def allowed(
        self,
        user: Requestor,
        verb: str,
        *,
        group: str,
        resource: str,
        subresource: str = "",
    ) -> bool:
        """Whether the user may do this to any object of the resource."""
        ...


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """The controllers' slice of the master's settings. Durations are seconds, rates are nodes per second."""

    ca_certificate: str
    """The cluster CA in PEM: published to every namespace as the ConfigMap kube-root-ca.crt."""

    api_url: str = ""
    """Where clients outside reach the API: published in kube-public/cluster-info; "" publishes nothing."""

    cluster_cidr: IPv4Network = field(default_factory=lambda: IPv4Network("10.244.0.0/16"))
    node_cidr_mask_size: int = 24

    node_monitor_period: float = 1.0
    node_monitor_grace: float = 12.0
    """Three heartbeats of 4 s: a node that was silent for longer is Unknown."""
    node_last_will_grace: float = 6.0
    """Silence that is enough when the broker has reported the node's Last Will."""
    node_eviction_rate: float = 0.1
    secondary_node_eviction_rate: float = 0.01
    unhealthy_threshold: float = 0.55
    """From this share of unhealthy nodes on the secondary rate applies."""
    large_cluster_size: int = 50
    """Clusters of up to so many nodes stop evicting instead of slowing down, as kube-controller-manager does."""

    terminated_pod_threshold: int = 12_500
    pod_gc_period: float = 20.0
    pod_gc_quarantine: float = 40.0
    """How long a node must be gone before its pods count as orphaned."""

    workers: int = 5
    """How many keys each controller reconciles at once."""


@dataclass(frozen=True, slots=True)
class ControllerContext:
    """All that controllers are made of."""

    client: Client
    informers: Informers
    kinds: ServedKinds
    """Every served kind that can be listed and deleted: the garbage collector and the namespace controller need them all."""
    recorder: Callable[[str], EventRecorder]
    """An EventRecorder for a component's name ("deployment-controller")."""
    clock: Clock
    heartbeats: NodeHeartbeats
    settings: ControllerSettings
    authority: Authority
    """The cluster CA: signs what Kubernetes' own signers may sign."""
    service_account_keys: ServiceAccountKeys
    access: AccessReviewer
