"""Turns: long work in a thread, a piece at a time, the users in turn. Called where a body may take long: YAML, large writes.

    run ─ nobody works ──────────────────────────────────────────► in the thread
        └ else: its user's queue ─ round robin between users ────► in the thread
                                 └ too many wait ────────────────► 429 with Retry-After

Whoever sends much waits for himself; another user's next piece comes after at most one of each. A piece whose client went away
ends before the next begins: a thread cannot be stopped.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from master.api.flowcontrol.dispatcher import too_many_requests
from master.api.flowcontrol.queues import FairQueues, Waiter

T = TypeVar("T")
_PER_USER, _IN_ALL = 256, 1024


class Turns:
    """`name`: of its thread. Used from one event loop at a time."""

    def __init__(self, name: str, *, per_user: int = _PER_USER, in_all: int = _IN_ALL) -> None:
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._queues: FairQueues[asyncio.Future[None]] = FairQueues(per_user=per_user, in_all=in_all)
        self._working = False

    async def run(self, user: str, work: Callable[[], T]) -> T:
        """What `work` returns or raises. Raises StatusError 429 when too much of it waits."""
        loop = asyncio.get_running_loop()
        if self._working:
            await self._wait(loop, user)
        self._working = True
        done = self._threads.submit(copy_context().run, work)
        done.add_done_callback(lambda _: self._ended(loop))
        result: T = await asyncio.wrap_future(done)
        return result

    async def _wait(self, loop: asyncio.AbstractEventLoop, user: str) -> None:
        turn: asyncio.Future[None] = loop.create_future()
        waiter = Waiter(user, loop.time(), turn)
        pays = self._queues.push(waiter)
        if pays is waiter:
            raise too_many_requests()
        if pays is not None and not pays.payload.done():
            pays.payload.set_exception(too_many_requests())
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._next()
            self._queues.discard(waiter)
            raise

    def _ended(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the thread."""
        try:
            loop.call_soon_threadsafe(self._next)
        except RuntimeError:  # the loop is closed: nobody waits any more
            self._working = False

    def _next(self) -> None:
        while (waiter := self._queues.pop()) is not None:
            if not waiter.payload.done():
                waiter.payload.set_result(None)
                return
        self._working = False
