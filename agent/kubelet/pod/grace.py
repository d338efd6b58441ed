"""Waiting on several things at once: a grace period that may be shortened, a race, a group that fails as one."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from agent.runtime.errors import RuntimeFailure


class Grace:
    """Begins when it is made. Seconds on the loop's clock."""

    def __init__(self, seconds: float) -> None:
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._shortened = asyncio.Event()

    @property
    def remaining(self) -> float:
        return max(0.0, self._deadline - asyncio.get_running_loop().time())

    def shorten(self, seconds: float) -> None:
        """End at most so many seconds from now."""
        deadline = asyncio.get_running_loop().time() + seconds
        if deadline < self._deadline:
            self._deadline = deadline
            self._shortened.set()

    async def expired(self) -> None:
        while self.remaining > 0:
            self._shortened.clear()
            try:
                async with asyncio.timeout(self.remaining):
                    await self._shortened.wait()
            except TimeoutError:
                continue


async def race(first: Coroutine[Any, Any, Any], second: Coroutine[Any, Any, Any]) -> None:
    """Wait until one of both ends; the other is cancelled."""
    async with asyncio.TaskGroup() as group:
        tasks = (group.create_task(first), group.create_task(second))
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


async def settled(future: "asyncio.Future[Any]") -> None:
    """Wait for what cannot be stopped, even when cancelled meanwhile; how it ended is nobody's concern any more."""
    while not future.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([future])
    if not future.cancelled():
        future.exception()


@asynccontextmanager
async def single_failure() -> AsyncIterator[None]:
    """Around a TaskGroup whose tasks fail with RuntimeFailure: raise one of these instead of the group. Callers know it."""
    try:
        yield
    except BaseExceptionGroup as error:
        failures, rest = error.split(RuntimeFailure)
        if failures is None or rest is not None:
            raise
        first: BaseException = failures
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from error
