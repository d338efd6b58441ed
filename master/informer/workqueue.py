"""WorkQueue: keys that a controller must look at, as client-go's rate limiting work queue.

A key is in the queue once, however often it is added; a key that is added while it is processed comes again when it is done,
so no two workers ever hold the same key. It is bounded by the number of distinct keys, that is, by the objects there are.

    add ──► waiting ──get──► processing ──done──► (gone, or waiting again when it was added meanwhile)
    add_after, add_rate_limited ──(time)──► add
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from master.informer import metrics

K = TypeVar("K", bound=Hashable)

_FIRST_DELAY = 0.005
_MAX_DELAY = 1000.0
#: All keys together: this many retries per second after a burst (client-go's default).
_BUCKET_RATE = 10.0
_BUCKET_BURST = 100.0


class WorkQueue(Generic[K]):
    """Use from one event loop. `name` labels its metrics."""

    def __init__(self, name: str = "") -> None:
        self._name = name
        self._order: deque[K] = deque()
        self._dirty: set[K] = set()
        self._processing: set[K] = set()
        self._getters: deque[asyncio.Future[None]] = deque()
        self._failures: dict[K, int] = {}
        self._delayed: dict[K, float] = {}
        self._timers: list[tuple[float, int, K]] = []
        self._sequence = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tokens = _BUCKET_BURST
        self._tokens_at: float | None = None

    def __len__(self) -> int:
        """Keys that wait for a worker now."""
        return len(self._order)

    def add(self, key: K) -> None:
        if key in self._dirty:
            return
        self._dirty.add(key)
        metrics.ADDS.labels(self._name).inc()
        if key not in self._processing:
            self._enqueue(key)

    def _enqueue(self, key: K) -> None:
        self._order.append(key)
        metrics.DEPTH.labels(self._name).set(len(self._order))
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                break

    async def get(self) -> K:
        """The next key; call `done` with it, whatever becomes of it."""
        while not self._order:
            getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                # The wake-up that this worker was given must not be lost with it.
                if getter.done() and not getter.cancelled() and self._order:
                    self._wake_another()
                raise
        key = self._order.popleft()
        metrics.DEPTH.labels(self._name).set(len(self._order))
        self._dirty.discard(key)
        self._processing.add(key)
        return key

    def _wake_another(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def done(self, key: K) -> None:
        self._processing.discard(key)
        if key in self._dirty:
            self._enqueue(key)

    # Later

    def add_after(self, key: K, delay: float) -> None:
        """Add a key in `delay` seconds. Of several times for one key the earliest counts."""
        if delay <= 0:
            self.add(key)
            return
        when = asyncio.get_running_loop().time() + delay
        planned = self._delayed.get(key)
        if planned is not None and planned <= when:
            return
        self._delayed[key] = when
        self._sequence += 1
        heapq.heappush(self._timers, (when, self._sequence, key))
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._timers:
            self._timer = asyncio.get_running_loop().call_at(self._timers[0][0], self._fire)

    def _fire(self) -> None:
        # The loop may wake up to its clock's resolution early; what is due in that time is due now.
        now = asyncio.get_running_loop().time() + 0.001
        while self._timers and self._timers[0][0] <= now:
            when, _, key = heapq.heappop(self._timers)
            if self._delayed.get(key) == when:
                del self._delayed[key]
                self.add(key)
        self._set_timer()

    def add_rate_limited(self, key: K) -> None:
        """Add a key after its back-off: 5 ms doubling to 1000 s with each call until `forget`, and all keys together within
        10 per second after a burst of 100."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        metrics.RETRIES.labels(self._name).inc()
        backoff = min(_FIRST_DELAY * 2.0 ** min(failures, 32), _MAX_DELAY)
        self.add_after(key, max(backoff, self._reserve()))

    def _reserve(self) -> float:
        """Take a token from the bucket; the seconds until it is there."""
        now = asyncio.get_running_loop().time()
        if self._tokens_at is not None:
            self._tokens = min(_BUCKET_BURST, self._tokens + (now - self._tokens_at) * _BUCKET_RATE)
        self._tokens_at = now
        self._tokens -= 1
        return max(0.0, -self._tokens / _BUCKET_RATE)

    def forget(self, key: K) -> None:
        """The key succeeded: its next back-off starts small again."""
        self._failures.pop(key, None)

    def retries(self, key: K) -> int:
        """How often the key was added rate limited since it was forgotten."""
        return self._failures.get(key, 0)
