"""The brakes on evicting: how fast nodes of a zone may be tainted NoExecute, given how many of its nodes are not ready.

When many nodes fall silent at once, the fault is more likely in the network, the broker or the master than in the nodes;
moving all of their pods would turn a hiccup into an outage. Pure; called by the node lifecycle controller.
Source: https://kubernetes.io/docs/concepts/architecture/nodes/#rate-limits-on-eviction
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from lightkube.resources.core_v1 import Node

from master.controllers.objects.metadata import labels_of


class ZoneState(Enum):
    """Kubernetes' names for how bad it is in a zone."""

    NORMAL = "Normal"
    PARTIAL_DISRUPTION = "PartialDisruption"
    FULL_DISRUPTION = "FullDisruption"


@dataclass(frozen=True, slots=True)
class Rates:
    """Nodes per second, and from when on which applies."""

    normal: float
    secondary: float
    unhealthy_threshold: float
    large_cluster_size: int


def zone_of(node: Node) -> str:
    """Region and zone of the node; one zone for all nodes that say nothing."""
    labels = labels_of(node)
    return labels.get("topology.kubernetes.io/region", "") + ":" + labels.get("topology.kubernetes.io/zone", "")


def zone_state(ready: int, not_ready: int, unhealthy_threshold: float) -> ZoneState:
    """A zone is disrupted in part from three nodes not ready on, when they make up the threshold's share."""
    if ready == 0 and not_ready > 0:
        return ZoneState.FULL_DISRUPTION
    if not_ready > 2 and not_ready / (ready + not_ready) >= unhealthy_threshold:
        return ZoneState.PARTIAL_DISRUPTION
    return ZoneState.NORMAL


def eviction_rates(zones: Mapping[str, tuple[int, int]], rates: Rates) -> dict[str, float]:
    """Nodes per second that may be tainted in each zone, given its (ready, not ready) nodes; all 0 when no zone works."""
    states = {zone: zone_state(*counts, rates.unhealthy_threshold) for zone, counts in zones.items()}
    if all(state is ZoneState.FULL_DISRUPTION for state in states.values()):
        return dict.fromkeys(zones, 0.0)
    return {zone: _rate(state, sum(zones[zone]), rates) for zone, state in states.items()}


def _rate(state: ZoneState, size: int, rates: Rates) -> float:
    if state is ZoneState.PARTIAL_DISRUPTION:
        return rates.secondary if size > rates.large_cluster_size else 0.0
    return rates.normal


class TokenBucket:
    """One token at a time: the first is there at once, the next after 1/rate seconds."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._tokens = 1.0
        self._at = now

    def set_rate(self, rate: float, now: float) -> None:
        self._refill(now)
        self._rate = rate

    def take(self, now: float) -> bool:
        """Whether one more may go now. Never at a rate of 0."""
        self._refill(now)
        if self._rate <= 0 or self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _refill(self, now: float) -> None:
        self._tokens = min(1.0, self._tokens + (now - self._at) * self._rate)
        self._at = now
