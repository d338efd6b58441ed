"""SQLiteStore: the store of a single master, one file, passing the contract of `master.store.protocol`.

Writes that are waiting while a commit is under way become the next transaction, so the cost of the disk is shared; each keeps
its own compare-and-set. Two threads: one writes, one reads; the file itself is `master.store.sqlite_file`. Old events are
compacted after commits, never on a timer: an idle master writes nothing to its disk.

State, on the event loop: `_waiting` (writes for the next transaction) → `_committing` (at most one batch in the writer thread)
→ futures resolved, `_recent` extended, watches woken.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from master.store.protocol import Conflict, KeyValue, StoreError, StoreEvent, Unavailable
from master.store.sqlite_file import Reader, StoreFile, Write

T = TypeVar("T")

#: Writes of one transaction: enough to share one fsync, few enough that none waits long behind the others.
_GROUP = 512
#: Writes that may wait; more are refused with Unavailable, so a stalled disk cannot eat the memory.
_MAX_WAITING = 20_000
#: Newest events kept in memory for watches that keep up, whichever is less; others read the file. Twice as much before it
#: is cut back.
_RECENT = 1_024
_RECENT_BYTES = 2 << 20
#: Events that a watch reads from the file at once.
_READ_BATCH = 500

_Pending = tuple[Write, "asyncio.Future[StoreEvent]"]


class SQLiteStore:
    """A `StoreBackend` in one file. `keep_events`: how far back a watch can start; up to twice as many are kept."""

    def __init__(self, path: Path, *, keep_events: int = 10_000) -> None:
        self._path = path
        self._keep_events = keep_events
        self._file = StoreFile(path)
        self._reader = Reader(path)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writer_thread: ThreadPoolExecutor | None = None
        self._reader_thread: ThreadPoolExecutor | None = None
        self._waiting: list[_Pending] = []
        self._committing = False
        self._idle = asyncio.Event()
        self._recent: list[StoreEvent] = []
        self._recent_bytes = 0
        self._revision = 0
        self._advanced = asyncio.Event()

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._writer_thread = ThreadPoolExecutor(1, "store-writer")
        self._reader_thread = ThreadPoolExecutor(1, "store-reader")
        self._idle.set()
        try:
            await self._loop.run_in_executor(self._writer_thread, self._file.open)
            await self._loop.run_in_executor(self._reader_thread, self._reader.open)
        except BaseException:
            await self._shut_down()
            raise
        self._revision = self._file.revision
        self._recent, self._recent_bytes = [], 0

    async def close(self) -> None:
        """Finish the writes that wait, end the watches with Unavailable, close the file."""
        while not self._idle.is_set():
            await self._idle.wait()
        await self._shut_down()

    async def _shut_down(self) -> None:
        writer, reader = self._writer_thread, self._reader_thread
        self._writer_thread = self._reader_thread = None
        self._wake_watches()
        loop = asyncio.get_running_loop()
        if reader is not None:
            await loop.run_in_executor(reader, self._reader.close)
            reader.shutdown(wait=False)
        if writer is not None:
            await loop.run_in_executor(writer, self._file.close)
            writer.shutdown(wait=False)

    async def revision(self) -> int:
        return self._revision

    # Reads

    async def _read(self, call: Callable[..., T], *arguments: object) -> T:
        if self._reader_thread is None or self._loop is None:
            raise Unavailable(f"{self._path} is closed")
        return await self._loop.run_in_executor(self._reader_thread, call, *arguments)

    async def get(self, key: str) -> KeyValue | None:
        return await self._read(self._reader.get, key)

    async def range(self, prefix: str) -> tuple[Sequence[KeyValue], int]:
        return await self._read(self._reader.range, prefix)

    # Writes

    async def put(self, key: str, value: bytes, *, expected: int | None) -> int:
        return await self._write(Write(key=key, value=value, expected=expected))

    async def delete(self, key: str, *, expected: int | None) -> int:
        return await self._write(Write(key=key, value=None, expected=expected))

    async def _write(self, write: Write) -> int:
        if self._loop is None or self._writer_thread is None:
            raise Unavailable(f"{self._path} is closed")
        if len(self._waiting) >= _MAX_WAITING:
            raise Unavailable(f"{self._path}: {_MAX_WAITING} writes are waiting already")
        future: asyncio.Future[StoreEvent] = self._loop.create_future()
        self._waiting.append((write, future))
        if not self._committing:
            self._committing = True
            self._idle.clear()
            # Not at once: what else this turn of the loop writes shall join the group.
            self._loop.call_soon(self._start_commit)
        return (await future).revision

    def _start_commit(self) -> None:
        # A caller that was cancelled while waiting no longer wants its write.
        self._waiting = [pending for pending in self._waiting if not pending[1].cancelled()]
        group, self._waiting = self._waiting[:_GROUP], self._waiting[_GROUP:]
        if not group or self._writer_thread is None:
            self._committing = False
            self._idle.set()
            return
        done = self._writer_thread.submit(self._commit, [write for write, _ in group])
        done.add_done_callback(lambda result: self._deliver(group, result))

    def _commit(self, writes: Sequence[Write]) -> Sequence[StoreEvent | Conflict]:
        """In the writer thread."""
        results = self._file.commit(writes)
        if self._file.revision - self._file.compacted > 2 * self._keep_events:
            try:
                self._file.compact(self._file.revision - self._keep_events)
            except StoreError:
                # The writes are on disk; compaction comes round again with the next ones.
                pass
        return results

    def _deliver(self, group: Sequence[_Pending], result: "Future[Sequence[StoreEvent | Conflict]]") -> None:
        """In the writer thread: hand the outcome to the loop."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._finish_commit, group, result)

    def _finish_commit(self, group: Sequence[_Pending], result: "Future[Sequence[StoreEvent | Conflict]]") -> None:
        error = result.exception()
        outcomes: Sequence[StoreEvent | BaseException] = [error] * len(group) if error else result.result()
        for (_, future), outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, StoreEvent):
                self._recent.append(outcome)
                self._recent_bytes += _size(outcome)
                self._revision = outcome.revision
            if future.done():
                continue
            if isinstance(outcome, StoreEvent):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)
        self._forget_older()
        self._forget_compacted()
        self._wake_watches()
        self._start_commit()

    def _forget_older(self) -> None:
        if len(self._recent) <= 2 * _RECENT and self._recent_bytes <= 2 * _RECENT_BYTES:
            return
        surplus = 0
        while len(self._recent) - surplus > _RECENT or self._recent_bytes > _RECENT_BYTES:
            self._recent_bytes -= _size(self._recent[surplus])
            surplus += 1
        del self._recent[:surplus]

    async def compact(self, revision: int) -> None:
        more = True
        while more:
            if self._loop is None or self._writer_thread is None:
                raise Unavailable(f"{self._path} is closed")
            more = await self._loop.run_in_executor(self._writer_thread, self._file.compact, revision)
        self._forget_compacted()

    def _forget_compacted(self) -> None:
        """What the file has forgotten, memory forgets too, so that every watch sees the same limit."""
        if self._recent and self._recent[0].revision <= self._file.compacted:
            self._recent = [event for event in self._recent if event.revision > self._file.compacted]
            self._recent_bytes = sum(map(_size, self._recent))

    # Watches

    def _wake_watches(self) -> None:
        self._advanced.set()
        self._advanced = asyncio.Event()

    async def watch(self, prefix: str, after: int) -> AsyncIterator[Sequence[StoreEvent]]:
        position = after
        while True:
            if self._writer_thread is None:
                raise Unavailable(f"{self._path} is closed")
            advanced = self._advanced
            batch: Sequence[StoreEvent]
            if self._recent and self._recent[0].revision <= position + 1:
                fresh = self._recent[position + 1 - self._recent[0].revision :]
                batch = [event for event in fresh if event.key.startswith(prefix)]
                position = max(position, self._revision)
            elif position < self._revision:
                batch, position = await self._read(self._reader.events, prefix, position, _READ_BATCH)
            else:
                batch = ()
            if batch:
                yield batch
            elif position >= self._revision:
                await advanced.wait()


def _size(event: StoreEvent) -> int:
    """The bytes of its values."""
    return sum(len(state.value) for state in (event.current, event.previous) if state is not None)
