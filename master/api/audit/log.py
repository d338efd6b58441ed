"""AuditLog: JSON lines in a file that is rotated, written by a thread of its own.

Nothing waits for it: an event that finds the queue full is dropped and counted (kube-apiserver's mode `batch`). What the disk
does not take is lost and counted, and the file is cut back to its last whole line; the writer tries again with the next event,
and once a second while events wait. The first error is logged, and the end of the trouble.
"""

import asyncio
import io
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, Counter

_log = logging.getLogger(__name__)

#: Events that wait for the writer (kube-apiserver's buffer of its batch backends), and their bodies' bytes.
_WAITING = 10_000
_WAITING_BYTES = 64 * 1024 * 1024
#: Roughly what an event without bodies weighs.
_EVENT_BYTES = 1_024
#: So many events are written together, and lost together when the disk refuses them.
_TOGETHER = 64
#: Seconds until what waits is tried again.
_RETRY_SECONDS = 1.0
#: How long the writer lets events gather.
_GATHER_SECONDS = 0.05
_TIME = "%Y-%m-%dT%H-%M-%S.%f"


@dataclass(frozen=True, slots=True)
class Rotation:
    """A file grows to `max_bytes`; then it gets the time as a suffix. `max_backups`, `max_days`: 0 keeps all."""

    max_bytes: int
    max_backups: int
    max_days: int


class AuditLog:
    """`offer` from the event loop; `run` until cancelled, which writes what waits and closes the file."""

    def __init__(self, path: Path, rotation: Rotation, metrics: CollectorRegistry) -> None:
        self._path = path
        self._rotation = rotation
        self._events = Counter("apiserver_audit_event", "Audit events that were taken.", registry=metrics)
        self._errors = Counter("apiserver_audit_error", "Audit events that were lost, by why.", ("plugin",), registry=metrics)
        self._full = self._errors.labels("buffer-full")
        self._broken = self._errors.labels("log")
        self._waiting: deque[tuple[dict[str, Any], int]] = deque()
        #: Each written by one thread only: what waits is their difference.
        self._taken_bytes = 0
        self._written_bytes = 0
        self._wake = threading.Event()
        self._ending = False
        self._file: io.FileIO | None = None
        #: Of the file, in whole lines.
        self._size = 0
        self._is_broken = False

    def offer(self, event: dict[str, Any], body_bytes: int) -> None:
        """Take an event, or drop it when too many wait."""
        if len(self._waiting) >= _WAITING or self._taken_bytes - self._written_bytes > _WAITING_BYTES:
            self._full.inc()
            return
        weight = body_bytes + _EVENT_BYTES
        self._taken_bytes += weight
        self._events.inc()
        self._waiting.append((event, weight))
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        writer = threading.Thread(target=self._write_all, name="audit log", daemon=True)
        writer.start()
        try:
            await asyncio.Event().wait()
        finally:
            self._ending = True
            self._wake.set()
            await asyncio.to_thread(writer.join, 5.0)

    # The writer's thread

    def _write_all(self) -> None:
        while True:
            self._wake.wait(_RETRY_SECONDS if self._waiting else None)
            self._wake.clear()
            ending = self._ending
            if not ending:
                time.sleep(_GATHER_SECONDS)  # one flush for many events
            try:
                self._write_waiting()
            except OSError as error:
                if not self._is_broken:
                    _log.error("the audit log cannot be written", extra={"path": str(self._path), "error": error.strerror})
                self._is_broken = True
                self._close()
            if ending:
                self._close()
                return

    def _write_waiting(self) -> None:
        """Raises OSError; the events that met it are lost and counted."""
        while self._waiting:
            lines = []
            for _ in range(min(_TOGETHER, len(self._waiting))):
                event, weight = self._waiting.popleft()
                self._written_bytes += weight
                lines.append(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))
            written = 0
            try:
                for piece in self._pieces(lines):
                    self._write(b"".join(piece))
                    written += len(piece)
            except OSError:
                self._broken.inc(len(lines) - written)
                raise
            if self._is_broken:
                self._is_broken = False
                _log.warning("the audit log is written again", extra={"path": str(self._path)})

    def _pieces(self, lines: list[bytes]) -> Iterator[list[bytes]]:
        """What goes into one file together."""
        piece: list[bytes] = []
        size = self._size
        for line in lines:
            if piece and size + len(line) > self._rotation.max_bytes:
                yield piece
                piece, size = [], 0
            piece.append(line)
            size += len(line)
        if piece:
            yield piece

    def _write(self, data: bytes) -> None:
        """All of it, or nothing and OSError."""
        if self._file is not None and self._size and self._size + len(data) > self._rotation.max_bytes:
            self._rotate()
        file = self._open() if self._file is None else self._file
        left = memoryview(data)
        try:
            while left:
                left = left[file.write(left) or 0 :]
        except OSError:
            if len(left) < len(data):
                file.truncate(self._size)  # half a line would swallow the next one
            raise
        self._size += len(data)

    def _open(self) -> io.FileIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self._file = io.FileIO(descriptor, "a", closefd=True)
        self._size = os.fstat(descriptor).st_size
        if self._size and os.pread(descriptor, 1, self._size - 1) != b"\n":
            # A crash of the machine, or of an earlier writer, in the middle of a line.
            self._file.write(b"\n")
            self._size += 1
        return self._file

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _rotate(self) -> None:
        self._close()
        at = datetime.now(UTC).strftime(_TIME)
        self._path.rename(self._path.with_name(f"{self._path.stem}-{at}{self._path.suffix}"))
        backups = self._backups()
        rotation = self._rotation
        if rotation.max_backups:
            for old in backups[: -rotation.max_backups]:
                old.unlink(missing_ok=True)
        if rotation.max_days:
            before = (datetime.now(UTC) - timedelta(days=rotation.max_days)).timestamp()
            for old in backups:
                if old.exists() and old.stat().st_mtime < before:
                    old.unlink(missing_ok=True)

    def _backups(self) -> list[Path]:
        """Rotated files, the oldest first; nothing else that has a similar name."""
        prefix, suffix = f"{self._path.stem}-", self._path.suffix
        found = []
        for path in self._path.parent.glob(f"{prefix}*{suffix}"):
            try:
                datetime.strptime(path.name[len(prefix) : len(path.name) - len(suffix)], _TIME)
            except ValueError:
                continue
            found.append(path)
        return sorted(found)
