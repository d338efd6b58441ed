"""Lets a write go to its end even when its client goes away: what was reserved for it is settled, not guessed.

The server cancels the handler of a client that left; a write runs as a task of the server's own instead, and the handler only
waits for it.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Writes:
    """Owned by `ApiServer`, which runs it inside its TaskGroup."""

    def __init__(self) -> None:
        self._tasks: asyncio.TaskGroup | None = None

    def use(self, tasks: asyncio.TaskGroup | None) -> None:
        """Called by the server when it starts and when it stops."""
        self._tasks = tasks

    async def finish(self, write: Coroutine[Any, Any, T]) -> T:
        """The result of a write; what it raises is raised here alone and ends nothing else."""
        if self._tasks is None:
            return await write
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._tasks.create_task(_settle(write, outcome))
        return await outcome


async def _settle(write: Coroutine[Any, Any, T], outcome: "asyncio.Future[T]") -> None:
    try:
        result = await write
    except asyncio.CancelledError:
        outcome.cancel()
        raise
    except Exception as error:  # noqa: BLE001 - handed to whoever waits
        if not outcome.done():
            outcome.set_exception(error)
    else:
        if not outcome.done():
            outcome.set_result(result)
