"""SchedulingQueue: pods that wait for a node.

    add ──► active ──pop──► (being placed) ──bound──► gone
              ▲                  │ no node fits         │ binding failed
              │                  ▼                      ▼
              │  event that   unschedulable          back-off
              └─ may help ────   │  └──(event, back-off not over)──►│
              └──────────────────┴── after 5 min ───────────────────┘ after its time

Order in active: priority, then how long the pod has waited. All keys are of pods that exist, which bounds the queue.
"""

import asyncio
import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

Key = tuple[str, str]

#: Kubernetes' defaults, in seconds.
_FIRST_BACKOFF = 1.0
_MAX_BACKOFF = 10.0
_FLUSH = 300.0


class _Place(Enum):
    ACTIVE = auto()
    BACKOFF = auto()
    UNSCHEDULABLE = auto()
    POPPED = auto()


@dataclass(slots=True)
class _Waiting:
    key: Key
    priority: int
    sequence: int
    attempts: int = 0
    place: _Place = _Place.ACTIVE
    retry_at: float = 0.0
    since: float = 0.0
    plugins: frozenset[str] = frozenset()


class SchedulingQueue:
    """Use from one event loop."""

    def __init__(self) -> None:
        self._pods: dict[Key, _Waiting] = {}
        self._active: list[tuple[int, int, Key]] = []
        self._backoff: list[tuple[float, int, Key]] = []
        self._unschedulable: set[Key] = set()
        self._sequence = 0
        self._ready = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Pods that are not bound yet."""
        return len(self._pods)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    def add(self, key: Key, priority: int) -> None:
        """A new pod, or one that changed so that it may fit now."""
        waiting = self._pods.get(key)
        if waiting is None:
            self._sequence += 1
            waiting = self._pods[key] = _Waiting(key=key, priority=priority, sequence=self._sequence)
            self._activate(waiting)
        elif waiting.place is _Place.UNSCHEDULABLE:
            self._move(waiting)
        elif waiting.place is _Place.POPPED:
            # It changed under way: whatever comes of this attempt, the next one shall not wait for an event.
            waiting.plugins = frozenset()

    def remove(self, key: Key) -> None:
        """The pod is bound or gone. Its entries in the heaps are skipped when they come up."""
        self._pods.pop(key, None)
        self._unschedulable.discard(key)

    async def pop(self) -> Key:
        """The next pod to place; then call `unschedulable`, `failed` or `remove`."""
        while True:
            while self._active:
                _, _, key = heapq.heappop(self._active)
                waiting = self._pods.get(key)
                if waiting is not None and waiting.place is _Place.ACTIVE:
                    waiting.place = _Place.POPPED
                    waiting.attempts += 1
                    return key
            self._ready.clear()
            await self._ready.wait()

    def unschedulable(self, key: Key, plugins: frozenset[str]) -> None:
        """No node fits. `plugins`: who rejected nodes; empty: any event may help."""
        waiting = self._pods.get(key)
        if waiting is None:
            return
        waiting.place = _Place.UNSCHEDULABLE
        waiting.plugins = plugins
        waiting.since = self._now()
        waiting.retry_at = waiting.since + self._delay(waiting)
        self._unschedulable.add(key)
        self._set_timer()

    def failed(self, key: Key) -> None:
        """Placing or binding went wrong; again after the pod's back-off."""
        waiting = self._pods.get(key)
        if waiting is not None:
            waiting.retry_at = self._now() + self._delay(waiting)
            self._back_off(waiting)

    @staticmethod
    def _delay(waiting: _Waiting) -> float:
        return float(min(_FIRST_BACKOFF * 2 ** min(waiting.attempts - 1, 16), _MAX_BACKOFF))

    def happened(self, helped: Iterable[str]) -> None:
        """Something happened that may undo what these plugins rejected."""
        if not self._unschedulable:
            return
        names = frozenset(helped)
        for key in list(self._unschedulable):
            waiting = self._pods[key]
            if not waiting.plugins or waiting.plugins & names:
                self._move(waiting)

    def _move(self, waiting: _Waiting) -> None:
        self._unschedulable.discard(waiting.key)
        if waiting.retry_at <= self._now():
            self._activate(waiting)
        else:
            self._back_off(waiting)

    def _activate(self, waiting: _Waiting) -> None:
        waiting.place = _Place.ACTIVE
        heapq.heappush(self._active, (-waiting.priority, waiting.sequence, waiting.key))
        self._ready.set()

    def _back_off(self, waiting: _Waiting) -> None:
        waiting.place = _Place.BACKOFF
        heapq.heappush(self._backoff, (waiting.retry_at, waiting.sequence, waiting.key))
        self._set_timer()

    # Time

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        times = [self._backoff[0][0]] if self._backoff else []
        if self._unschedulable:
            # Checked now and then only: when the first of them is due does not matter much.
            times.append(self._now() + _FLUSH / 10)
        if times:
            self._timer = asyncio.get_running_loop().call_at(min(times), self._fire)

    def _fire(self) -> None:
        # A loop may wake up to its clock's resolution early.
        now = self._now() + 0.001
        while self._backoff and self._backoff[0][0] <= now:
            _, _, key = heapq.heappop(self._backoff)
            waiting = self._pods.get(key)
            if waiting is not None and waiting.place is _Place.BACKOFF:
                self._activate(waiting)
        for key in list(self._unschedulable):
            waiting = self._pods[key]
            if now - waiting.since >= _FLUSH:
                self._move(waiting)
        self._set_timer()
