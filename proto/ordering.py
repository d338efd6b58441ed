"""Highest (epoch, revision) wins: what a receiver keeps of messages that come twice, late or in another order.

MQTT QoS 1 may deliver 1, 2, 3, 2, 3, 4 [MQTT-4.4.0]; retained messages and two leaders add more. Pure; used by both sides.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Ordering:
    """Remembers per object the newest (epoch, revision) that was accepted.

    Bounded by the objects that are tracked: `forget` what is gone for good.
    """

    epoch: int = 0
    _newest: dict[Hashable, tuple[int, int]] = field(default_factory=dict)

    def observe_epoch(self, epoch: int) -> bool:
        """Note a leader's epoch. False when it is a stale leader's, whose orders are to be ignored."""
        if epoch < self.epoch:
            return False
        self.epoch = epoch
        return True

    def accept(self, key: Hashable, epoch: int, revision: int) -> bool:
        """True exactly when (epoch, revision) is newer than all seen of `key`; it is then the newest."""
        if not self.observe_epoch(epoch) or (epoch, revision) <= self._newest.get(key, (-1, -1)):
            return False
        self._newest[key] = (epoch, revision)
        return True

    def is_newer(self, key: Hashable, epoch: int, revision: int) -> bool:
        """What `accept` would answer, without noting anything: for a receiver that must first save what it accepts."""
        return epoch >= self.epoch and (epoch, revision) > self._newest.get(key, (-1, -1))

    def newest(self, key: Hashable) -> tuple[int, int] | None:
        return self._newest.get(key)

    def forget(self, key: Hashable) -> None:
        self._newest.pop(key, None)

    def __len__(self) -> int:
        return len(self._newest)
