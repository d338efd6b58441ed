"""Expectations: what a ReplicaSet's last reconcile did that the cache does not show yet.

A cache lags behind the API. Were replicas counted from it alone, a second reconcile right after the first would create the
same pods again. So a reconcile states beforehand how many pods it will create and which ones it deletes; the informer's
handler crosses them off; and until the list is empty, nothing more is created or deleted for that ReplicaSet. Stating it
before the call matters: the event can arrive before the call returns.

An expectation that is never met (its event fell into a relist) expires, so nothing stalls for ever.
Source: kube-controller-manager's ControllerExpectations.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from master.controllers.objects.metadata import Key

TIMEOUT = 300.0
"""Seconds after which an unmet expectation no longer holds anything up."""


@dataclass(slots=True)
class _Expected:
    since: float
    creations: int = 0
    deletions: set[str] = field(default_factory=set)


class Expectations:
    """Per key: creations by number, deletions by uid. One event loop, no waiting."""

    def __init__(self) -> None:
        self._expected: dict[Key, _Expected] = {}

    def expect_creations(self, key: Key, number: int, *, now: float) -> None:
        """State them before the first create call."""
        self._entry(key, now).creations += number

    def expect_deletions(self, key: Key, uids: Iterable[str], *, now: float) -> None:
        """State them before the first delete call."""
        self._entry(key, now).deletions.update(uids)

    def created(self, key: Key, number: int = 1) -> None:
        """Pods appeared in the cache, or will never be created."""
        entry = self._expected.get(key)
        if entry is not None:
            entry.creations = max(0, entry.creations - number)

    def deleted(self, key: Key, uid: str) -> None:
        """A pod is terminating in the cache, is gone from it, or will not be deleted after all."""
        entry = self._expected.get(key)
        if entry is not None:
            entry.deletions.discard(uid)

    def satisfied(self, key: Key, *, now: float) -> bool:
        """Whether the cache shows all that was done, or enough time has passed."""
        entry = self._expected.get(key)
        if entry is None:
            return True
        if (entry.creations == 0 and not entry.deletions) or now - entry.since > TIMEOUT:
            del self._expected[key]
            return True
        return False

    def forget(self, key: Key) -> None:
        """The ReplicaSet is gone."""
        self._expected.pop(key, None)

    def _entry(self, key: Key, now: float) -> _Expected:
        entry = self._expected.setdefault(key, _Expected(since=now))
        entry.since = now
        return entry
