"""FairQueues: who waits in one priority level; one queue per user, taken from in turn. Pure: knows neither clock nor loop."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class Waiter(Generic[T]):
    """One request that waits. `since`: when it came, in seconds of the caller's clock."""

    user: str
    since: float
    payload: T
    #: Set when it was taken, thrown out or forgotten.
    gone: bool = field(default=False)


class FairQueues(Generic[T]):
    """Bounded per user and in all. When all is full, the longest queue pays for a newcomer, not whoever comes last."""

    def __init__(self, *, per_user: int, in_all: int) -> None:
        self._per_user = per_user
        self._in_all = in_all
        #: In the order in which their turns come.
        self._queues: OrderedDict[str, OrderedDict[Waiter[T], None]] = OrderedDict()
        #: All of them, the oldest first.
        self._all: OrderedDict[Waiter[T], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._all)

    def push(self, waiter: Waiter[T]) -> Waiter[T] | None:
        """Let one wait. Returns who finds no place for it: the newcomer itself, or the last of the longest queue."""
        queue = self._queues.get(waiter.user)
        if queue is not None and len(queue) >= self._per_user:
            return waiter
        pays = None
        if len(self._all) >= self._in_all:
            longest = max(self._queues.values(), key=len)
            if len(longest) <= (len(queue) if queue else 0) + 1:
                return waiter
            pays = next(reversed(longest))
            self.discard(pays)
        if queue is None:
            queue = self._queues[waiter.user] = OrderedDict()
        queue[waiter] = None
        self._all[waiter] = None
        return pays

    def pop(self) -> Waiter[T] | None:
        """The one whose turn it is: the oldest of the user who was served longest ago."""
        if not self._queues:
            return None
        user, queue = next(iter(self._queues.items()))
        waiter = next(iter(queue))
        self.discard(waiter)
        if user in self._queues:
            self._queues.move_to_end(user)
        return waiter

    def discard(self, waiter: Waiter[T]) -> None:
        """Forget one, wherever it stands."""
        if waiter.gone:
            return
        waiter.gone = True
        del self._all[waiter]
        queue = self._queues[waiter.user]
        del queue[waiter]
        if not queue:
            del self._queues[waiter.user]

    def expired(self, before: float) -> Iterator[Waiter[T]]:
        """Take out all that came before a time, the oldest first."""
        while self._all:
            oldest = next(iter(self._all))
            if oldest.since >= before:
                return
            self.discard(oldest)
            yield oldest

    @property
    def oldest(self) -> float | None:
        """When the one came that waits longest."""
        return next(iter(self._all)).since if self._all else None
