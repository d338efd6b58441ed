"""Slow start: many calls that may all fail for one reason (a quota, a refusing admission) begin with one, then 2, 4, 8, ….

Called by the ReplicaSet controller for creating pods.
"""

import asyncio
from collections.abc import Awaitable, Callable

from master.client.errors import StatusError


async def slow_start(count: int, call: Callable[[], Awaitable[None]]) -> tuple[int, StatusError | None]:
    """Make `count` calls in batches that double, up to the first with an error; the calls made, and the error."""
    made = 0
    batch = min(count, 1)
    while batch:
        errors: list[StatusError] = []

        async def one(failed: list[StatusError] = errors) -> None:
            try:
                await call()
            except StatusError as error:
                failed.append(error)

        async with asyncio.TaskGroup() as group:
            for _ in range(batch):
                group.create_task(one())
        made += batch
        if errors:
            return made, errors[0]
        batch = min(2 * batch, count - made)
    return made, None
