"""Connections that carry nothing are closed after a while, as kubelet's streamingConnectionIdleTimeout does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

#: Kubelet's default.
IDLE_SECONDS = 4 * 3600.0


@asynccontextmanager
async def closed_when_idle(seconds: float = IDLE_SECONDS) -> AsyncIterator[Callable[[], None]]:
    """Ends the block, without an error, once what it yields has not been called for so many seconds."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds) as limit:
            yield lambda: limit.reschedule(loop.time() + seconds)
    except TimeoutError:
        if not limit.expired():
            raise
