"""Remembers what directories take: walks are costly, so each is made on demand, one at a time, and good for about a minute.

A directory whose walk took long is walked again later still: it may take at most a twentieth of a thread's time. Bounded: what
was not asked for a while is forgotten. Used by `agent.stats.collector`.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from agent.stats.filesystem import Taken, walk

_GOOD_SECONDS = 60.0
_SHARE = 20
_FORGET_SECONDS = 600.0


@dataclass(slots=True)
class _Known:
    taken: Taken | None
    due: float
    asked: float


class DiskUsage:
    """`good_seconds`: how old an answer may be."""

    def __init__(
        self,
        *,
        good_seconds: float = _GOOD_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        walker: Callable[[Path], Taken | None] = walk,
    ) -> None:
        self._good_seconds = good_seconds
        self._clock = clock
        self._walker = walker
        self._known: dict[Path, _Known] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="stats-walk")
        self._turn = asyncio.Lock()

    async def of(self, paths: Iterable[Path]) -> dict[Path, Taken]:
        """What each takes, walked now where it is not known; who asks meanwhile waits for the same walks."""
        wanted = list(paths)
        async with self._turn:
            now = self._clock()
            self._forget(now)
            for path in wanted:
                known = self._known.get(path)
                if known is None or known.due <= now:
                    began = self._clock()
                    taken = await asyncio.get_running_loop().run_in_executor(self._thread, self._walker, path)
                    ended = self._clock()
                    due = ended + max(self._good_seconds, (ended - began) * _SHARE)
                    self._known[path] = _Known(taken, due, now)
                else:
                    known.asked = now
            found = ((path, self._known[path].taken) for path in wanted)
            return {path: taken for path, taken in found if taken is not None}

    def known(self, paths: Iterable[Path]) -> dict[Path, Taken]:
        """What was found last, however old; nothing is walked."""
        found = ((path, self._known[path].taken) for path in paths if path in self._known)
        return {path: taken for path, taken in found if taken is not None}

    def close(self) -> None:
        """No walk begins any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _forget(self, now: float) -> None:
        for path in [path for path, known in self._known.items() if now - known.asked > _FORGET_SECONDS]:
            del self._known[path]
