"""Objects in the store: keys, encoding, compare-and-set, and the store's errors as StatusErrors.

Called by the registry's verbs. A value is the object's JSON without metadata.resourceVersion; what comes out of here has it.
After a write it waits until the watch cache has it too, so that whoever was told of a write reads it everywhere (and so
reading a cached object before a compare-and-set is never older than what any client was told).
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
import orjson

from master.api.kinds.kind import Kind
from master.api.registry.derived import Derived
from master.client.errors import StatusError, already_exists, bad_request, conflict, gone, not_found
from master.client.protocol import Json
from master.store.cache import WatchCache
from master.store.cached import CachedObject, cached
from master.store.protocol import Compacted, Conflict, Store, StoreError, Unavailable

T = TypeVar("T")


class Stored(msgspec.Struct, frozen=True):
    """One object, decoded for whoever read it (theirs to change), and its revision."""

    obj: Json
    revision: int
    #: What the watch cache has encoded of it already, in this kind's view; None: nothing.
    raw: bytes | None = None
    #: Bytes of it in the store.
    size: int = 0

    def encoded(self) -> bytes:
        """Its JSON."""
        return encode(self.obj) if self.raw is None else self.raw


class Storage:
    """The store as the verbs see it. Also the `ObjectLookup` of admission."""

    def __init__(self, store: Store, cache: WatchCache) -> None:
        self._store = store
        self.cache = cache
        self._derived = Derived()

    async def read(self, group: str, plural: str, namespace: str, name: str) -> Json | None:
        """The object as the watch cache has it, or None."""
        known = self.cache.get(_key(group, plural, namespace, name))
        return None if known is None else decode(known.raw)

    async def read_all(self, group: str, plural: str, namespace: str = "") -> Sequence[Json]:
        """All objects of a namespace, or of all namespaces, as the watch cache has them."""
        found, _ = self.cache.list(_prefix(group, plural, namespace))
        return [decode(each.raw) for each in found]

    async def lookup(self, group: str, plural: str, namespace: str, name: str, make: Callable[[Json], T]) -> T | None:
        """What `make` makes of the object as the watch cache has it, or None. Shared."""
        known = self.cache.get(_key(group, plural, namespace, name))
        return None if known is None else self._derived.of(known, make)

    async def lookup_all(self, group: str, plural: str, namespace: str, make: Callable[[Json], T]) -> Sequence[T]:
        """The same of all objects of a namespace, or of all namespaces."""
        found, _ = self.cache.list(_prefix(group, plural, namespace))
        return [self._derived.of(each, make) for each in found]

    async def fetch(self, kind: Kind, namespace: str, name: str, *, fresh: bool = False) -> Stored:
        """The object in this kind's view; `fresh` asks the store itself. Raises StatusError 404."""
        key = key_of(kind, namespace, name)
        if not fresh:
            found_cached = self.cache.get(key)
            if found_cached is not None:
                return await _in_view(kind, found_cached)
        try:
            found = await self._store.get(key)
        except StoreError as error:
            raise translated(error) from error
        if found is None:
            raise not_found(kind.plural, kind.group, name)
        return await _in_view(kind, cached(found))

    async def create(self, kind: Kind, obj: Json) -> Stored:
        """Raises StatusError 409 AlreadyExists."""
        try:
            return await self._put(kind, obj, expected=0)
        except Conflict as error:
            raise already_exists(kind.plural, kind.group, obj["metadata"]["name"]) from error

    async def replace(self, kind: Kind, obj: Json, *, expected: int) -> Stored:
        """Raises the store's Conflict, which the caller may answer by trying again."""
        return await self._put(kind, obj, expected=expected)

    async def remove(self, kind: Kind, namespace: str, name: str, *, expected: int) -> int:
        """The revision of the deletion. Raises the store's Conflict."""
        try:
            revision = await self._store.delete(key_of(kind, namespace, name), expected=expected)
        except Conflict:
            raise
        except StoreError as error:
            raise translated(error) from error
        await self.cache.wait_for(revision)
        return revision

    async def _put(self, kind: Kind, obj: Json, *, expected: int) -> Stored:
        metadata = obj["metadata"]
        stored = kind.to_stored({**obj, "metadata": {k: v for k, v in metadata.items() if k != "resourceVersion"}})
        if kind.conversion is not None:
            stored = await kind.conversion.stored(stored)
        key = key_of(kind, metadata.get("namespace", ""), metadata["name"])
        try:
            revision = await self._store.put(key, encode(stored), expected=expected)
        except Conflict:
            raise
        except StoreError as error:
            raise translated(error) from error
        await self.cache.wait_for(revision)
        metadata["resourceVersion"] = str(revision)
        shown = self.cache.get(key)
        if shown is None or shown.revision != revision or kind.stored_as is not None or kind.conversion is not None:
            return Stored(obj, revision)
        return Stored(obj, revision, shown.raw)


async def _in_view(kind: Kind, found: CachedObject) -> Stored:
    if kind.conversion is not None:
        (found,) = await kind.conversion.shown((found,))
    return Stored(kind.from_stored(decode(found.raw)), found.revision, size=len(found.raw))


def key_of(kind: Kind, namespace: str, name: str) -> str:
    storage = kind.storage
    return _key(storage.group, storage.plural, namespace, name)


def prefix_of(kind: Kind, namespace: str = "") -> str:
    """The keys of all objects of a kind, or of those of one namespace."""
    return _prefix(kind.storage.group, kind.storage.plural, namespace)


def _prefix(group: str, plural: str, namespace: str) -> str:
    prefix = f"/registry/{group or 'core'}/{plural}/"
    return f"{prefix}{namespace}/" if namespace else prefix


def _key(group: str, plural: str, namespace: str, name: str) -> str:
    return f"/registry/{group or 'core'}/{plural}/{namespace or '-'}/{name}"


def decode(raw: bytes) -> Json:
    obj: Json = orjson.loads(raw)
    return obj


def encode(obj: Any) -> bytes:
    try:
        return orjson.dumps(obj)
    except TypeError as error:  # orjson's JSONEncodeError: nested too deep, or an integer beyond 64 bits
        raise bad_request(f"the object cannot be encoded: {error}") from error


def updated_elsewhere(kind: Kind, name: str) -> StatusError:
    return conflict(kind.plural, kind.group, name)


def translated(error: StoreError) -> StatusError:
    """What a client is told when the store cannot serve."""
    if isinstance(error, Compacted):
        return gone(f"The resourceVersion for the provided watch is too old: {error}")
    if isinstance(error, Unavailable):
        return StatusError(
            503,
            "ServiceUnavailable",
            "the store cannot serve the request now, try again",
            details={"retryAfterSeconds": 1},
        )
    return StatusError(500, "InternalError", "Internal error occurred: the store cannot serve the request")
