"""What the thresholds say of a row of observations: which are due, which conditions the node has. Pure; time is passed in.

Kept by `agent.kubelet.eviction.manager`. A threshold that was due stays so until its minimum reclaim is available too; a
condition stays for the transition period after it was seen last, so that it does not flap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.settings.eviction import Threshold

MEMORY, DISK, PID = "MemoryPressure", "DiskPressure", "PIDPressure"
_CONDITIONS = {
    "memory.available": MEMORY,
    "nodefs.available": DISK,
    "nodefs.inodesFree": DISK,
    "imagefs.available": DISK,
    "imagefs.inodesFree": DISK,
    "pid.available": PID,
}
#: What is short, in the words of messages and events.
RESOURCES = {
    "memory.available": "memory",
    "nodefs.available": "ephemeral-storage",
    "nodefs.inodesFree": "inodes",
    "imagefs.available": "ephemeral-storage",
    "imagefs.inodesFree": "inodes",
    "pid.available": "pids",
}


@dataclass(frozen=True, slots=True)
class Observation:
    """Of one signal: bytes, inodes or processes."""

    available: int
    capacity: int


Observations = Mapping[str, Observation]


def met(thresholds: Sequence[Threshold], seen: Observations, *, with_reclaim: bool) -> list[Threshold]:
    """Those that are crossed now, whatever their grace. with_reclaim: also those that have not regained their minimum."""
    found = []
    for threshold in thresholds:
        observed = seen.get(threshold.signal)
        if observed is None:
            continue
        wanted = threshold.amount.of(observed.capacity)
        if with_reclaim:
            wanted += threshold.reclaim.of(observed.capacity)
        if wanted > observed.available:
            found.append(threshold)
    return found


class Pressure:
    """transition: seconds that a condition outlives its cause. Times are seconds of one monotonic clock."""

    def __init__(self, thresholds: Sequence[Threshold], *, transition: float) -> None:
        self._thresholds = tuple(thresholds)
        self._transition = transition
        self._first: dict[Threshold, float] = {}
        self._due: list[Threshold] = []
        self._last_seen: dict[str, float] = {}
        self.conditions: frozenset[str] = frozenset()

    def observe(self, seen: Observations, now: float) -> list[Threshold]:
        """Take in what is available now; the thresholds that call for eviction, what is reclaimed first in front."""
        crossed = met(self._thresholds, seen, with_reclaim=False)
        crossed += [one for one in met(self._due, seen, with_reclaim=True) if one not in crossed]
        self._first = {threshold: self._first.get(threshold, now) for threshold in crossed}
        for threshold in crossed:
            self._last_seen[_CONDITIONS[threshold.signal]] = now
        self._last_seen = {name: at for name, at in self._last_seen.items() if at == now or now - at < self._transition}
        self.conditions = frozenset(self._last_seen)
        self._due = [threshold for threshold, since in self._first.items() if now - since >= threshold.grace]
        # Memory before all else.
        return sorted(self._due, key=lambda one: one.signal != "memory.available")

    def resolved(self, seen: Observations) -> bool:
        """Whether all thresholds, with what is to be reclaimed beyond them, are met no more."""
        return not met(self._thresholds, seen, with_reclaim=True)
