"""An event loop whose time jumps to the next timer as soon as nothing else is to be done: minutes pass in milliseconds."""

import asyncio
import selectors
from typing import Any


class VirtualLoop(asyncio.SelectorEventLoop):
    """For asyncio.Runner's loop_factory. Threads are waited for a moment, so their work takes next to no time too."""

    def __init__(self) -> None:
        super().__init__(selectors.DefaultSelector())
        self._now = 0.0
        real = self._selector.select  # type: ignore[attr-defined]

        def select(timeout: float | None) -> Any:
            found = real(0 if timeout == 0 else 0.003)
            if not found and timeout:
                self._now += timeout
            return found

        self._selector.select = select  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._now
