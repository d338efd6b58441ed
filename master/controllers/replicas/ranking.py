"""Which pods of a ReplicaSet go first when it shrinks.

Pure; called by the ReplicaSet controller.
Source: https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-a-replicaset and KEP-2185 (random among
pods whose age is of the same order of magnitude).
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from lightkube.resources.core_v1 import Pod

from master.controllers.objects.metadata import annotations_of, created, uid_of
from master.controllers.objects.pods import is_active, is_ready, node_of, phase_of, ready_since

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def pods_to_delete(pods: Sequence[Pod], related: Iterable[Pod], count: int, *, now: datetime) -> list[Pod]:
    """The `count` pods to delete. `related`: the pods of all ReplicaSets with the same owner, these included."""
    if count >= len(pods):
        return list(pods)
    on_node = Counter(node_of(pod) for pod in related if is_active(pod) and node_of(pod))
    return sorted(pods, key=lambda pod: _rank(pod, doubled=on_node[node_of(pod)], now=now))[:count]


def _rank(pod: Pod, *, doubled: int, now: datetime) -> tuple[int, int, int, int, int, float, int, float, str]:
    ready = is_ready(pod)
    return (
        1 if node_of(pod) else 0,
        _PHASES.get(phase_of(pod), 2),
        1 if ready else 0,
        deletion_cost(pod),
        -doubled,
        _magnitude(ready_since(pod), now) if ready else 0.0,
        -_restarts(pod),
        _magnitude(created(pod), now),
        uid_of(pod),
    )


def deletion_cost(pod: Pod) -> int:
    """The annotation's value; 0 without one or with one that is no 32-bit integer."""
    text = annotations_of(pod).get(DELETION_COST, "")
    try:
        cost = int(text)
    except ValueError:
        return 0
    return cost if -(2**31) <= cost < 2**31 else 0


def _restarts(pod: Pod) -> int:
    statuses = (pod.status.containerStatuses if pod.status else None) or ()
    return max((status.restartCount or 0 for status in statuses), default=0)


def _magnitude(since: datetime | None, now: datetime) -> float:
    """Whole powers of two of nanoseconds: pods of about one age count as equal, and the uid then decides, at random."""
    if since is None:
        return -1.0
    age = (now - since).total_seconds() * 1e9
    return float(math.floor(math.log2(age))) if age >= 1 else 0.0
