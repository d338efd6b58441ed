"""ObjectSource: where objects come from that are never stored but made at each read. Asked by `Registry`."""

from collections.abc import Sequence
from typing import Protocol

from master.api.registry.selection import Selection
from master.store.cached import CachedObject


class ObjectSource(Protocol):
    """Of one kind. `namespace` "": all, or a kind without."""

    async def get(self, namespace: str, name: str) -> bytes:
        """An object as JSON. Raises StatusError 404."""
        ...

    async def list(self, namespace: str, selection: Selection) -> Sequence[CachedObject]:
        """Those that are selected."""
        ...
