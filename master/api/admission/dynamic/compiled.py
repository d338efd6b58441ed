"""Compiled: objects of a configuration kind from the watch cache, compiled anew only when one of them has changed."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from master.client.protocol import Json
from master.store.cache import WatchCache

T = TypeVar("T")


class Compiled(Generic[T]):
    """`compile_one` makes what is used of one object; it must not fail for an object that is stored."""

    def __init__(self, cache: WatchCache, prefix: str, compile_one: Callable[[Json], Sequence[T]]) -> None:
        self._cache = cache
        self._prefix = prefix
        self._compile = compile_one
        self._seen: tuple[tuple[str, int], ...] = ()
        self._by_key: dict[tuple[str, int], Sequence[T]] = {}
        self._all: Sequence[T] = ()

    def all(self) -> Sequence[T]:
        """Of all objects, in the order of their names."""
        found, _ = self._cache.list(self._prefix)
        if not found and not self._seen:
            return ()
        seen = tuple((cached.key, cached.revision) for cached in found)
        if seen != self._seen:
            known = self._by_key
            self._by_key = {
                key: known[key] if key in known else self._compile(cached.decode())
                for key, cached in zip(seen, found, strict=True)
            }
            self._all = [item for items in self._by_key.values() for item in items]
            self._seen = seen
        return self._all
