"""How long what failed waits before it is tried again: a container that ended, a pod that cannot be synced.

A container's wait is pure; its memory is a label on each instance.

The first restart comes at once, then after 10 s, doubling to 300 s. An instance that ran for 10 minutes starts anew.
Each instance is labelled with the delay that its own end will bring, so an agent that restarts goes on where it was.
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
"""

import asyncio
import random
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


def back_off(ended: ContainerState, now: datetime) -> BackOff:
    """now: by the clock that the engine reads too. If it was set back by more than the wait, nothing is left to wait for."""
    finished = ended.finished_at or ended.created_at
    started = ended.started_at or ended.created_at
    delay = back_off_of(ended)
    if (finished - started).total_seconds() > RESET_AFTER:
        delay = 0.0
    pause = timedelta(seconds=delay)
    until = now if finished - now > pause else finished + pause
    return BackOff(delay, until, doubled(delay))


class SyncBackOff:
    """Of one pod worker: a failed sync waits 1 s, doubling to 300 s, each up to half as long again so that pods spread."""

    _FIRST = 1.0

    def __init__(self) -> None:
        self._delay = 0.0
        self._until = 0.0

    @property
    def remaining(self) -> float:
        """Seconds."""
        return max(0.0, self._until - asyncio.get_running_loop().time())

    def failed(self) -> float:
        """The seconds to wait from now."""
        self._delay = min(self._delay * 2, MAXIMUM) if self._delay else self._FIRST
        pause = min(self._delay * random.uniform(1.0, 1.5), MAXIMUM)
        self._until = asyncio.get_running_loop().time() + pause
        return pause

    def reset(self) -> None:
        self._delay = self._until = 0.0
