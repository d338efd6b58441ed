"""AuditLog: JSON lines in a file that is rotated, written by a thread of its own.

Nothing waits for it: an event that finds the queue full is dropped and counted (kube-apiserver's mode `batch`). An error of
the file is logged and counted; the next event tries again.
"""

import asyncio
import logging
import os
import threading
import time
from collections import deque
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
        self._file: Any = None
        self._size = 0

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
            self._wake.wait()
            self._wake.clear()
            ending = self._ending
            if not ending:
                time.sleep(_GATHER_SECONDS)  # one flush for many events
            try:
                self._write_waiting()
            except OSError as error:
                _log.error("the audit log cannot be written", extra={"path": str(self._path), "error": error.strerror})
                self._close()
            if ending:
                self._close()
                return

    def _write_waiting(self) -> None:
        """Raises OSError; the event that met it is lost and counted."""
        while self._waiting:
            event, weight = self._waiting.popleft()
            self._written_bytes += weight
            try:
                self._write(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))
            except OSError:
                self._broken.inc()
                raise
        if self._file is not None:
            self._file.flush()

    def _write(self, line: bytes) -> None:
        if self._file is not None and self._size + len(line) > self._rotation.max_bytes:
            self._rotate()
        if self._file is None:
            self._open()
        self._file.write(line)
        self._size += len(line)

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._file = os.fdopen(descriptor, "ab")
        self._size = os.fstat(descriptor).st_size

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError:
                pass  # its content was flushed or told as lost before

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
