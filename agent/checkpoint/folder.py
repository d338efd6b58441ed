"""The checkpoint's files, blocking: called only on the checkpoint's own thread (see `agent.checkpoint.checkpoint`).

    <root>/lock            held while an agent runs
    <root>/epoch           the newest leader's epoch that was seen, decimal, one line with its checksum
    <root>/orders/*.order  one record per object
    <root>/damaged/        what could not be read, set aside for a person to look at (the newest `MAX_DAMAGED` are kept)

A file is replaced atomically: a temporary file is written and synced, renamed, and the folder synced. So after a power cut
a file holds the old order or the new one.
"""

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.checkpoint.record import DamagedRecord, Record, decode, encode, file_name

_LOG = logging.getLogger(__name__)
_TEMPORARY = ".tmp"

#: How many damaged files are kept.
MAX_DAMAGED = 64


class CheckpointUnusable(Exception):
    """The checkpoint folder cannot be used at all: the message says why and which path."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a start finds. `damaged` names the files that were set aside and why."""

    epoch: int
    records: tuple[Record, ...]
    damaged: tuple[str, ...]


class Folder:
    """One agent's checkpoint folder; opening it makes and locks it. Raises CheckpointUnusable."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._orders = root / "orders"
        self._damaged = root / "damaged"
        try:
            for folder in (root, self._orders, self._damaged):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CheckpointUnusable(f"{error.filename or root}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise CheckpointUnusable(f"{root}: another agent is running on this folder") from error

    def close(self) -> None:
        os.close(self._lock)

    def load(self) -> Loaded:
        """Read everything. A file that cannot be read is set aside. Raises CheckpointUnusable when the folder cannot be."""
        damaged: list[str] = []
        records: list[Record] = []
        try:
            names = sorted(os.listdir(self._orders))
        except OSError as error:
            raise CheckpointUnusable(f"{self._orders}: {error.strerror}") from error
        for name in names:
            path = self._orders / name
            if name.endswith(_TEMPORARY):
                self._unlink(path)  # a write that never finished; its order was never accepted
                continue
            try:
                record = decode(path.read_bytes())
                if file_name(record.topic) != name:
                    raise DamagedRecord("the record belongs to a file of another name")
            except DamagedRecord as error:
                damaged.append(self._set_aside(path, str(error)))
            except OSError as error:
                damaged.append(self._set_aside(path, error.strerror or "cannot be read"))
            else:
                records.append(record)
        epoch, problem = self._load_epoch()
        if problem:
            damaged.append(problem)
        return Loaded(epoch, tuple(records), tuple(damaged))

    def save(self, changes: Mapping[str, bytes | None]) -> dict[str, OSError]:
        """Write (or, for None, delete) the records of these topics. Returns those that failed and why; the rest is on disk."""
        failed: dict[str, OSError] = {}
        written: list[str] = []
        for topic, payload in changes.items():
            path = self._orders / file_name(topic)
            try:
                if payload is None:
                    path.unlink(missing_ok=True)
                else:
                    self._replace(path, encode(Record(topic, payload)))
                written.append(topic)
            except OSError as error:
                failed[topic] = error
        try:
            _sync_folder(self._orders)
        except OSError as error:
            failed.update(dict.fromkeys(written, error))
        return failed

    def save_epoch(self, epoch: int) -> None:
        """Raises OSError."""
        self._replace(self._root / "epoch", _epoch_line(epoch))
        _sync_folder(self._root)

    def set_aside(self, topics: Iterable[str], why: str) -> None:
        """Put records away that are whole but cannot be used (a signature that does not hold)."""
        for topic in topics:
            self._set_aside(self._orders / file_name(topic), why)

    def _load_epoch(self) -> tuple[int, str]:
        path = self._root / "epoch"
        try:
            line = path.read_bytes()
        except FileNotFoundError:
            return 0, ""
        except OSError as error:
            return 0, self._set_aside(path, error.strerror or "cannot be read")
        number = line.split(b" ", 1)[0]
        if number.isdigit() and line == _epoch_line(int(number)):
            return int(number), ""
        return 0, self._set_aside(path, "the checksum does not match the content")

    def _replace(self, path: Path, content: bytes) -> None:
        temporary = path.with_name(path.name + _TEMPORARY)
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            self._unlink(temporary)
            raise

    def _set_aside(self, path: Path, why: str) -> str:
        """Move a file to `damaged`; returns its name and why, for the report."""
        _LOG.error(
            "checkpoint file is damaged: set aside; the master sends its order again", extra={"path": path, "reason": why}
        )
        try:
            os.replace(path, self._damaged / path.name)
            kept = sorted(self._damaged.iterdir(), key=lambda file: file.stat().st_mtime_ns)
            for old in kept[:-MAX_DAMAGED]:
                old.unlink(missing_ok=True)
        except OSError as error:
            _LOG.warning("cannot set a damaged file aside", extra={"path": path, "error": error.strerror})
        return f"{path.name}: {why}"

    def _unlink(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            _LOG.warning("cannot delete a temporary file", extra={"path": path, "error": error.strerror})


def _epoch_line(epoch: int) -> bytes:
    number = str(epoch).encode()
    return number + b" " + hashlib.sha256(number).hexdigest().encode() + b"\n"


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
