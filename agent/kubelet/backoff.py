"""How long a container that ended waits before its next instance. Pure; the memory is a label on each instance.

The first restart comes at once, then after 10 s, doubling to 300 s. An instance that ran for 10 minutes starts anew.
Each instance is labelled with the delay that its own end will bring, so an agent that restarts goes on where it was.
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.kubelet.labels import back_off_of
from agent.runtime.spec import ContainerState

INITIAL = 10.0
MAXIMUM = 300.0
#: An instance that ran this long, in seconds, is forgiven.
RESET_AFTER = 2 * MAXIMUM


@dataclass(frozen=True, slots=True)
class BackOff:
    """`delay` seconds after the instance's end (at `until`) the next may start; `following` is the next one's delay."""

    delay: float
    until: datetime
    following: float


def doubled(delay: float) -> float:
    return min(delay * 2, MAXIMUM) if delay else INITIAL


def back_off(ended: ContainerState) -> BackOff:
    finished = ended.finished_at or ended.created_at
    started = ended.started_at or ended.created_at
    delay = back_off_of(ended)
    if (finished - started).total_seconds() > RESET_AFTER:
        delay = 0.0
    return BackOff(delay, finished + timedelta(seconds=delay), doubled(delay))
