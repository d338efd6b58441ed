"""Pulls images, some at a time, and gives up on those that do not get on. Used by `agent.kubelet.images.manager`.

A registry that hangs must not keep others' images away: a pull that hears nothing for some seconds gives its turn to the next
and goes on beside it; one that hears nothing for `progress_deadline` seconds ends. There are never more than pods that start.
https://kubernetes.io/docs/concepts/containers/images/#serial-and-parallel-image-pulls
"""

import asyncio
from contextlib import aclosing

from agent.runtime.errors import RuntimeFailure
from agent.runtime.protocol import Images
from agent.runtime.spec import RegistryCredentials
from agent.runtime.turns import Turn, Turns

#: Seconds without a sign after which a pull counts as one that hangs.
STALLED = 5.0


class ImagePuller:
    """concurrent: how many pulls may get on at once. progress_deadline: seconds."""

    def __init__(self, *, runtime: Images, concurrent: int, progress_deadline: float) -> None:
        self._runtime = runtime
        self._turns = Turns(concurrent)
        self._progress_deadline = progress_deadline

    def turn(self) -> Turn:
        """A turn to pull; an async context manager that waits for it."""
        return self._turns.turn()

    async def pull(self, reference: str, credentials: RegistryCredentials | None, turn: Turn) -> None:
        """Raises RuntimeFailure with the registry's or the engine's words."""
        loop, deadline = asyncio.get_running_loop(), self._progress_deadline
        stalled = loop.call_later(STALLED, turn.give_up)
        try:
            async with asyncio.timeout(deadline) as limit, aclosing(self._runtime.pull(reference, credentials)) as progress:
                async for _ in progress:
                    limit.reschedule(loop.time() + deadline)
                    stalled.cancel()
                    stalled = loop.call_later(STALLED, turn.give_up)
        except TimeoutError as error:
            raise RuntimeFailure(f'pulling image "{reference}" was given up: no progress for {deadline:g}s') from error
        finally:
            stalled.cancel()
