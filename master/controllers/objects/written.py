"""Read your writes: whether a cache already shows what a controller itself has written.

For objects whose names the API makes up (EndpointSlices): a controller that reconciles from a cache without its own creations
would create them again. Those with fixed names need none of this: a second creation fails with AlreadyExists.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lightkube.core.resource import Resource

from master.controllers.objects.metadata import Key, key_of, meta

PATIENCE = 30.0
"""Seconds after which the cache is believed again: another client may have deleted the object in between."""


@dataclass(frozen=True, slots=True)
class _Write:
    owner: Key
    revision: int
    at: float


class Written:
    """The newest writes, by the object's key, until the cache shows them. One event loop."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._writes: dict[Key, _Write] = {}
        self._by_owner: dict[Key, set[Key]] = {}

    def wrote(self, owner: Key, obj: Resource) -> None:
        """The API returned this object from a write made for the owner."""
        key = key_of(obj)
        self._writes[key] = _Write(owner, revision_of(obj), self._monotonic())
        self._by_owner.setdefault(owner, set()).add(key)

    def vanished(self, key: Key) -> None:
        """The cache shows the object's deletion."""
        write = self._writes.pop(key, None)
        if write is not None:
            self._discard(write.owner, key)

    def shown(self, owner: Key, cached: Callable[[Key], Resource | None]) -> bool:
        """Whether the cache shows all writes made for the owner, or has had long enough."""
        now = self._monotonic()
        for key in list(self._by_owner.get(owner, ())):
            write = self._writes[key]
            found = cached(key)
            if (found is None or revision_of(found) < write.revision) and now - write.at < PATIENCE:
                return False
            self.vanished(key)
        return True

    def _discard(self, owner: Key, key: Key) -> None:
        keys = self._by_owner[owner]
        keys.discard(key)
        if not keys:
            del self._by_owner[owner]


def revision_of(obj: Resource) -> int:
    """The resourceVersion as the number that this API makes it; 0 without one."""
    text = meta(obj).resourceVersion or ""
    return int(text) if text.isascii() and text.isdigit() else 0
