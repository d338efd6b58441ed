"""LargeWrites: the work on large objects leaves the event loop, so that others are answered meanwhile. Called by the registry.

Merging, checking and validating are plain functions of objects that belong to one write; an object of 40,000 environment
variables takes a second of them. They run in a thread, one object at a time, the users in turn (`Turns`). What changes
anything that is shared (allocations, the store, the caches) stays on the event loop.
"""

from collections.abc import Callable
from typing import TypeVar

from master.api.auth.protocol import UserInfo
from master.api.flowcontrol.turns import Turns

T = TypeVar("T")
#: Bytes of an object whose work may stay on the event loop: some 30 ms of it.
LARGE_BYTES = 64 * 1024


class LargeWrites:
    def __init__(self) -> None:
        self._turns = Turns("large-writes")

    async def run(self, size: int, user: UserInfo, work: Callable[[], T]) -> T:
        """What `work` returns or raises. `size`: bytes of the largest object that it looks at."""
        if size <= LARGE_BYTES:
            return work()
        return await self._turns.run(user.name, work)
