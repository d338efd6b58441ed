"""The contract of a store: a revisioned key-value log with compare-and-set and watch from a revision, as etcd's.

One backend per file in this folder; each passes tests/contract/test_store.py. Called by `master.store.cache` and
`master.api`. Revisions are positive integers that grow by one or more with each commit; a key's `mod_revision` is the API's
resourceVersion.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec


class KeyValue(msgspec.Struct, frozen=True, gc=False):
    """A key as of a revision. `create_revision` is where this life of the key began."""

    key: str
    value: bytes
    mod_revision: int
    create_revision: int


class StoreEvent(msgspec.Struct, frozen=True, gc=False):
    """One change. `current` is None for a deletion; `previous` is None for a creation."""

    key: str
    revision: int
    current: KeyValue | None
    previous: KeyValue | None


class StoreError(Exception):
    """The store cannot serve; base of what follows."""


class Conflict(StoreError):
    """A compare-and-set found another revision; `actual` is what the key has (0: it does not exist)."""

    def __init__(self, key: str, actual: int) -> None:
        super().__init__(f"{key} is at revision {actual}")
        self.key = key
        self.actual = actual


class Compacted(StoreError):
    """The revision asked for is below what the store still remembers."""


class Unavailable(StoreError):
    """The store cannot write now (disk full, closed, no quorum). Nothing was written; trying again may help."""


class Corrupt(StoreError):
    """What is on disk is not what was written; says where."""


class Store(Protocol):
    """A write returns only when it is on disk. Methods may be called concurrently from one event loop."""

    async def get(self, key: str) -> KeyValue | None: ...

    async def range(self, prefix: str) -> tuple[Sequence[KeyValue], int]:
        """All keys with this prefix, in key order, and the revision that they are as of."""
        ...

    async def put(self, key: str, value: bytes, *, expected: int | None) -> int:
        """Write a key; its new revision. `expected`: the mod_revision it must have (0: must not exist; None: any).

        Raises Conflict, Unavailable.
        """
        ...

    async def delete(self, key: str, *, expected: int | None) -> int:
        """Delete a key; the revision of its deletion. Raises Conflict (also when it does not exist), Unavailable."""
        ...

    def watch(self, prefix: str, after: int) -> AsyncIterator[Sequence[StoreEvent]]:
        """Batches of events of revisions above `after`, in order, without gap or repeat. Raises Compacted."""
        ...


class StoreBackend(Store, Protocol):
    """What the application manages beside the contract that others use."""

    async def open(self) -> None:
        """Open and check the files. Raises Corrupt, Unavailable."""
        ...

    async def close(self) -> None: ...

    async def revision(self) -> int:
        """The newest revision."""
        ...

    async def compact(self, revision: int) -> None:
        """Forget events up to `revision`; watches from below it raise Compacted."""
        ...
