"""Derived: what was made of cached objects, kept until they change, so that nobody decodes the same object at every request.

Called by `Storage` for admission, which asks for a pod's namespace, account and priority classes at each write. What is kept
is small, frozen and shared; the number is bounded, the oldest goes first.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import orjson

from master.client.protocol import Json
from master.store.cached import CachedObject

T = TypeVar("T")
_MOST = 8192


class Derived:
    """By function and key, as of a revision of the object."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept: dict[tuple[Callable[[Json], Any], str], tuple[int, Any]] = {}

    def of(self, cached: CachedObject, make: Callable[[Json], T]) -> T:
        """What `make` returns for the object's content, perhaps from before."""
        place = (make, cached.key)
        kept = self._kept.get(place)
        if kept is not None and kept[0] == cached.revision:
            return cast(T, kept[1])
        made = make(orjson.loads(cached.raw))
        if kept is None and len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]
        self._kept[place] = (cached.revision, made)
        return made
