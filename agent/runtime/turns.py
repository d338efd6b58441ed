"""A bound on how many things go on at once that those which hang cannot use up: they give their turn away and go on.

Used for calls to the container engine and by the kubelet for pulls of images.
"""

import asyncio


class Turns:
    """At most `count` at once, not counting those that have given their turn away."""

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)

    def turn(self) -> "Turn":
        """An async context manager that waits for a turn."""
        return Turn(self._free)


class Turn:
    """Given back once, at the latest when the block is left."""

    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free = free
        self._held = False
        #: Whether others had theirs first.
        self.waited = False

    async def __aenter__(self) -> "Turn":
        self.waited = self._free.locked()
        await self._free.acquire()
        self._held = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.give_up()

    def give_up(self) -> None:
        if self._held:
            self._held = False
            self._free.release()
