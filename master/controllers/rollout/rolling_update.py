"""The arithmetic of a Deployment's replicas: how far a rollout may go next, and how a scale is shared among ReplicaSets.

Called by the Deployment controller with counts read from its ReplicaSets; pure. What holds whatever the order in which pods
come and go: the pods wanted in total never exceed replicas + maxSurge, unless they did before; and old pods are given up only
while more than replicas - maxUnavailable are available.

Source: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment and
#proportional-scaling, with kube-controller-manager's rounding.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ReplicaCounts:
    """What the arithmetic needs to know of one ReplicaSet. `wanted` is its spec.replicas, `available` its status."""

    name: str
    wanted: int
    available: int
    created: datetime
    max_replicas: int = 0
    """The annotation deployment.kubernetes.io/max-replicas: replicas + surge when it was scaled last; 0: unknown."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a rollout of `replicas` may leave its size, in pods."""

    replicas: int
    max_surge: int
    max_unavailable: int

    @property
    def max_total(self) -> int:
        return self.replicas + self.max_surge

    @property
    def min_available(self) -> int:
        return self.replicas - self.max_unavailable


def scaled_value(value: int | str | None, total: int, *, round_up: bool) -> int:
    """An IntOrString as a number of pods: "25%" of `total`, or the number itself. Raises ValueError on other text."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        raise ValueError(f"invalid value for IntOrString: {value!r} is not a percentage")
    exact = int(value[:-1]) * total
    return -(-exact // 100) if round_up else exact // 100


def rolling_bounds(replicas: int, max_surge: int | str | None, max_unavailable: int | str | None) -> Bounds:
    """Surge rounds up, unavailability down; when both come to 0, one pod may be unavailable, or nothing could ever move."""
    surge = scaled_value(max_surge, replicas, round_up=True)
    unavailable = scaled_value(max_unavailable, replicas, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Bounds(replicas, max(surge, 0), min(max(unavailable, 0), replicas))


def new_replicas(bounds: Bounds, wanted_in_all: int, wanted_in_new: int) -> int:
    """The new ReplicaSet's next size during a rolling update."""
    if wanted_in_new > bounds.replicas:
        return bounds.replicas
    room = bounds.max_total - wanted_in_all
    if room <= 0:
        return wanted_in_new
    return wanted_in_new + min(room, bounds.replicas - wanted_in_new)


def old_replicas(bounds: Bounds, old: Sequence[ReplicaCounts], new: ReplicaCounts | None) -> dict[str, int]:
    """The next sizes of those old ReplicaSets that change: first their unhealthy pods go, then healthy ones, oldest first."""
    everything = [*old, new] if new else list(old)
    new_unavailable = new.wanted - new.available if new else 0
    may_go = sum(each.wanted for each in everything) - bounds.min_available - new_unavailable
    if may_go <= 0:
        return {}
    sizes = {each.name: each.wanted for each in old}
    oldest_first = sorted(old, key=lambda each: (each.created, each.name))
    for each in oldest_first:
        gone = max(0, min(may_go, each.wanted - each.available))
        sizes[each.name] -= gone
        may_go -= gone
    spare = sum(each.available for each in everything) - bounds.min_available
    for each in oldest_first:
        gone = max(0, min(spare, sizes[each.name]))
        sizes[each.name] -= gone
        spare -= gone
    return {each.name: sizes[each.name] for each in old if sizes[each.name] != each.wanted}


def proportional_sizes(bounds: Bounds, active: Sequence[ReplicaCounts], deployed: int) -> dict[str, int]:
    """The sizes of all active ReplicaSets when a Deployment is scaled in the middle of a rollout; the largest takes the rest.

    `deployed` is the Deployment's status.replicas, which stands in for a missing max-replicas annotation.
    """
    allowed = bounds.max_total if bounds.replicas > 0 else 0
    to_add = allowed - sum(each.wanted for each in active)
    if to_add == 0:
        return {each.name: each.wanted for each in active}
    if to_add > 0:
        ordered = sorted(active, key=lambda each: (-each.wanted, -each.created.timestamp(), each.name))
    else:
        ordered = sorted(active, key=lambda each: (-each.wanted, each.created, each.name))
    sizes: dict[str, int] = {}
    added = 0
    for each in ordered:
        share = _share(bounds, each, deployed=deployed, left=to_add - added)
        sizes[each.name] = each.wanted + share
        added += share
    rest = to_add - added
    for each in ordered:
        change = max(rest, -sizes[each.name])
        sizes[each.name] += change
        rest -= change
    return sizes


def _share(bounds: Bounds, counts: ReplicaCounts, *, deployed: int, left: int) -> int:
    if counts.wanted == 0 or left == 0:
        return 0
    if bounds.replicas == 0:
        fraction = -counts.wanted
    else:
        before = counts.max_replicas or deployed
        if before == 0:
            return 0
        fraction = _round_half_away(counts.wanted * bounds.max_total / before) - counts.wanted
    # Annotations that somebody edited never make a ReplicaSet move against the scale.
    return max(0, min(fraction, left)) if left > 0 else min(0, max(fraction, left))


def _round_half_away(value: float) -> int:
    return math.floor(value + 0.5) if value >= 0 else math.ceil(value - 0.5)
