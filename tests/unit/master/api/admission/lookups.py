"""What an ObjectLookup adds to an ObjectReader, for the readers of these tests: nothing is kept."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Json = dict[str, Any]
T = TypeVar("T")


class Lookups:
    """To be mixed into a class that has `read` and `read_all`."""

    async def read(self, group: str, plural: str, namespace: str, name: str) -> Json | None:
        raise NotImplementedError

    async def read_all(self, group: str, plural: str, namespace: str = "") -> Sequence[Json]:
        raise NotImplementedError

    async def lookup(self, group: str, plural: str, namespace: str, name: str, make: Callable[[Json], T]) -> T | None:
        found = await self.read(group, plural, namespace, name)
        return None if found is None else make(found)

    async def lookup_all(self, group: str, plural: str, namespace: str, make: Callable[[Json], T]) -> Sequence[T]:
        return [make(one) for one in await self.read_all(group, plural, namespace)]
