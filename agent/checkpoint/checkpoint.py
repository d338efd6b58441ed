"""The checkpoint as the event loop sees it: the folder's blocking calls on one thread of its own.

Called by `agent.link.receiver` alone, one call at a time, so the thread's queue is bounded by one. It knows topics and bytes;
what they mean, and whether the signature holds, is the receiver's business. It writes only when told: an agent to which
nothing new is ordered writes nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from agent.checkpoint.folder import Folder, Loaded

_LOG = logging.getLogger(__name__)

T = TypeVar("T")


class Checkpoint:
    """An async context manager. Entering makes and locks the folder (raises CheckpointUnusable)."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._opened: Folder | None = None
        self._failing = False
        #: How many files were written or deleted since the start: 0 at rest.
        self.writes = 0

    async def __aenter__(self) -> Self:
        try:
            self._opened = await self._call(lambda: Folder(self._root))
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        folder, self._opened = self._opened, None
        if folder is not None:
            self._thread.submit(folder.close)
        self._thread.shutdown(wait=True)

    async def load(self) -> Loaded:
        """All that was saved; damaged files are set aside and named. Raises CheckpointUnusable."""
        return await self._call(self._folder.load)

    async def save(self, changes: Mapping[str, bytes | None]) -> frozenset[str]:
        """Save (None: delete) the envelopes of these topics, durably. Returns the topics that could not be saved."""
        if not changes:
            return frozenset()
        failed = await self._call(lambda: self._folder.save(changes))
        self.writes += len(changes) - len(failed)
        self._note(next(iter(failed.values()), None), len(failed))
        return frozenset(failed)

    async def save_epoch(self, epoch: int) -> bool:
        """Save the newest leader's epoch. False when the disk refused."""
        try:
            await self._call(lambda: self._folder.save_epoch(epoch))
        except OSError as error:
            self._note(error, 1)
            return False
        self.writes += 1
        self._note(None, 0)
        return True

    async def set_aside(self, topics: Iterable[str], why: str) -> None:
        """Put away records that are whole but not usable."""
        await self._call(lambda: self._folder.set_aside(topics, why))

    @property
    def failing(self) -> str:
        """Why the last write failed, or "" when it did not: for readiness."""
        return f"the checkpoint in {self._root} cannot be written" if self._failing else ""

    @property
    def _folder(self) -> Folder:
        if self._opened is None:
            raise RuntimeError("the checkpoint is not open")
        return self._opened

    def _note(self, error: OSError | None, count: int) -> None:
        if error is not None and not self._failing:
            _LOG.error(
                "cannot write the checkpoint: orders are not accepted until it can be written again",
                extra={"path": self._root, "error": error.strerror, "orders": count},
            )
        elif error is None and self._failing:
            _LOG.info("the checkpoint can be written again", extra={"path": self._root})
        self._failing = error is not None

    async def _call(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)
