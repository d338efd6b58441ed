"""The seam between the registry and what hands out values on the way of an object into the store."""

from collections.abc import Iterable
from typing import Protocol

from master.client.protocol import Json


class Reservation(Protocol):
    """What one write took. Exactly one of the two is called, once the outcome of the write is known."""

    def commit(self) -> None:
        """The object is stored: keep what it got, free what its old version no longer has."""
        ...

    def rollback(self) -> None:
        """The object is not stored: free what it got."""
        ...


class Allocator(Protocol):
    """Allocates for one kind. Synchronous, so that no two writes can be handed the same value."""

    def rebuild(self, objects: Iterable[tuple[str, Json]]) -> None:
        """Start again from what the store has: pairs of store key and object."""
        ...

    def reserve(self, key: str, obj: Json, old: Json | None) -> Reservation:
        """Fill in `obj` (in place) and hold its values. Raises StatusError 422 when a value that it asks for is taken."""
        ...

    def release(self, key: str) -> None:
        """The object under this store key is gone."""
        ...
