"""Waiting for what becomes true, with a limit and the last reason why it was not."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(check: Callable[[], Awaitable[T]], *, seconds: float, pause: float = 0.2) -> T:
    """Call `check` until it raises no AssertionError; what it returned. Raises its last AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(pause)
