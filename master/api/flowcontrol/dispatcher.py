"""Dispatcher: lets requests in by level and user. Called by `ApiServer` for each request but logs and streams.

The fast path (a seat is free, nobody waits) is a few comparisons and, once per iteration of the event loop, one `call_soon`;
it makes no task, future or timer.
"""

import asyncio
import math

from master.api.flowcontrol.levels import LEVELS, Flow, PriorityLevel
from master.api.flowcontrol.metrics import FlowMetrics, LevelMetrics
from master.api.flowcontrol.queues import FairQueues, Waiter
from master.client.errors import StatusError

#: How many requests of one level may start in one iteration of the event loop.
_BATCH = 16
#: Kubernetes' queueLengthLimit (50) times the hand of 6 queues that a user's requests are dealt to; and 128 such queues.
_PER_USER = 300
_IN_ALL = 6_400
_RETRY_AFTER_SECONDS = 1
#: How long the refusal of a request that finds no place is held back: a client that does not heed Retry-After would keep the
#: server busy with refusing, and its connection asks nothing else meanwhile.
_REFUSAL_SECONDS = 0.5

_Future = asyncio.Future[None]


def too_many_requests() -> StatusError:
    """429 in kube-apiserver's words."""
    return StatusError(
        429,
        "TooManyRequests",
        "Too many requests, please try again later.",
        details={"retryAfterSeconds": _RETRY_AFTER_SECONDS},
    )


class Seat:
    """A place among the requests that are being answered. `leave` it once; again does nothing."""

    __slots__ = ("_lane",)

    def __init__(self, lane: "_Lane") -> None:
        self._lane: _Lane | None = lane

    def leave(self) -> None:
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.leave()


class Dispatcher:
    """`seats`: how many requests that are not exempt are answered at once. `wait_seconds`: how long one may wait for its."""

    def __init__(self, seats: int, metrics: FlowMetrics, *, wait_seconds: float) -> None:
        self.seats = seats
        self.wait_seconds = wait_seconds
        self.executing = 0
        #: Whether somebody waits, in any level: whoever leaves then makes a turn.
        self.contended = False
        shares = sum(level.shares for level in LEVELS)
        self._lanes = {
            level.name: _Lane(self, level, math.ceil(seats * level.shares / shares), metrics.level(level.name))
            for level in LEVELS
        }
        self._scheduled = False

    async def enter(self, flow: Flow, level: PriorityLevel) -> Seat:
        """A seat in the flow's level, perhaps after a wait. Raises StatusError 429. What is exempt needs none."""
        lane = self._lanes[level.name]
        if not lane.try_enter():
            await lane.wait(flow)
        lane.metrics.dispatched(flow.schema)
        return Seat(lane)

    def may_borrow(self, borrower: "_Lane") -> bool:
        """Whether a seat beyond its own is free for a level: others keep what they do not lend."""
        kept = sum(lane.kept_free for lane in self._lanes.values() if lane is not borrower)
        return self.executing + kept < self.seats

    def schedule(self) -> None:
        """Begin a new turn in the next iteration of the event loop."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        self.contended = False
        for lane in self._lanes.values():
            again = lane.turn()
            self.contended = self.contended or lane.waits
            if again:
                self.schedule()


class _Lane:
    """One level: its seats, and who waits for them."""

    def __init__(self, dispatcher: Dispatcher, level: PriorityLevel, seats: int, metrics: LevelMetrics) -> None:
        self._dispatcher = dispatcher
        self._seats = seats
        self._reserved = seats - seats * level.lendable // 100
        self._executing = 0
        #: Requests that began since the last turn.
        self._started = 0
        self._queues: FairQueues[_Future] = FairQueues(per_user=_PER_USER, in_all=_IN_ALL)
        self._timer: asyncio.TimerHandle | None = None
        self.metrics = metrics
        metrics.watch(lambda: self._executing, lambda: len(self._queues), seats)

    @property
    def waits(self) -> bool:
        return bool(self._queues)

    @property
    def kept_free(self) -> int:
        """Free seats that it does not lend."""
        return max(0, self._reserved - self._executing)

    def try_enter(self) -> bool:
        """Take a seat at once, if nobody waits for one."""
        if self._queues or self._started >= _BATCH or not self._has_seat():
            return False
        self._take()
        return True

    async def wait(self, flow: Flow) -> None:
        """Wait for a seat and take it. Raises StatusError 429."""
        loop = asyncio.get_running_loop()
        future: _Future = loop.create_future()
        waiter = Waiter(flow.user, loop.time(), future)
        pays = self._queues.push(waiter)
        if pays is not None:
            self.metrics.rejected("queue-full")
            if pays is waiter:
                await asyncio.sleep(_REFUSAL_SECONDS)
                raise too_many_requests()
            _refuse(pays)
        self._watch_oldest(loop)
        self._dispatcher.contended = True
        self._dispatcher.schedule()
        try:
            await future
        except asyncio.CancelledError:
            # The client went away: out of the queue, or the seat that it was just given goes back.
            if future.done() and not future.cancelled() and future.exception() is None:
                self.leave()
            self._queues.discard(waiter)
            self.metrics.rejected("cancelled")
            raise
        finally:
            self.metrics.waited(loop.time() - waiter.since)

    def leave(self) -> None:
        self._executing -= 1
        self._dispatcher.executing -= 1
        if self._dispatcher.contended:
            self._dispatcher.schedule()

    def turn(self) -> bool:
        """Let a batch in; True when another one could follow at once."""
        self._started = 0
        while self._queues and self._started < _BATCH and self._has_seat():
            waiter = self._queues.pop()
            assert waiter is not None
            if not waiter.payload.done():
                self._take()
                waiter.payload.set_result(None)
        return bool(self._queues) and self._has_seat()

    def _has_seat(self) -> bool:
        return self._executing < self._seats or self._dispatcher.may_borrow(self)

    def _take(self) -> None:
        self._executing += 1
        self._dispatcher.executing += 1
        if not self._started:
            self._dispatcher.schedule()
        self._started += 1

    def _watch_oldest(self, loop: asyncio.AbstractEventLoop) -> None:
        oldest = self._queues.oldest
        if self._timer is None and oldest is not None:
            self._timer = loop.call_at(oldest + self._dispatcher.wait_seconds, self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        # A little early is no harm: a timer may fire a clock's resolution before its time.
        for waiter in self._queues.expired(loop.time() - self._dispatcher.wait_seconds + 0.001):
            self.metrics.rejected("time-out")
            _refuse(waiter)
        self._watch_oldest(loop)


def _refuse(waiter: Waiter[_Future]) -> None:
    if not waiter.payload.done():
        waiter.payload.set_exception(too_many_requests())
