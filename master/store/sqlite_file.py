"""The SQLite file behind `master.store.sqlite`: schema, integrity check, group commit, reads. Synchronous; the only user of
sqlite3.

`StoreFile` is the writer's connection and belongs to the writer thread, `Reader` is a connection of its own for the reader
thread. sqlite3's exceptions become Unavailable or Corrupt here.

Two tables. `log` holds one row per revision, revisions without gaps above `compacted`; `live` points from each existing key to
its row in the log. Compaction removes what no watch from above `compacted` can need: the rows that were superseded, and the
tombstones. Each row carries a checksum over all of it, and opening replays the log against `live`, so a flipped bit is found
even where the B-tree is still sound.
"""

import fcntl
import os
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from master.store.protocol import Compacted, Conflict, Corrupt, KeyValue, StoreEvent, Unavailable
from master.store.sqlite_wal import check_wal

_FORMAT = 1
_APPLICATION_ID = 0x77687279  # "whry": another program's SQLite file is refused, not overwritten

_SCHEMA = f"""
CREATE TABLE log (
    revision INTEGER PRIMARY KEY, key BLOB NOT NULL, value BLOB, create_revision INTEGER NOT NULL,
    previous_revision INTEGER NOT NULL, checksum INTEGER NOT NULL
);
CREATE TABLE live (key BLOB PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE compaction (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL, checksum INTEGER NOT NULL);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_FORMAT};
"""

_ROW = "log.revision, log.key, log.value, log.create_revision, log.previous_revision, log.checksum"

#: Rows that one step of compaction looks at: bounds how long a write can wait behind it.
_COMPACTION_STEP = 2_000


@dataclass(frozen=True, slots=True)
class Write:
    """A put, or with `value` None a delete. `expected`: as in `Store.put`."""

    key: str
    value: bytes | None
    expected: int | None


def _checksum(revision: int, key: bytes, value: bytes | None, create_revision: int, previous_revision: int) -> int:
    head = b"%d %d %d %d %d " % (revision, create_revision, previous_revision, len(key), -1 if value is None else len(value))
    return zlib.crc32(value or b"", zlib.crc32(key, zlib.crc32(head)))


#: The statements here are fixed, so one that SQLite finds wrong means that the schema or the rows are not what was written.
_DAMAGE = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_FORMAT,
    }
)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        # sqlite3 raises its own errors (a closed connection, an unreadable text) without a code.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF
        if code in _DAMAGE:
            raise Corrupt(f"{path}: {error}") from error
        raise Unavailable(f"{path}: {error}") from error


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=10)


class _Rows:
    """Reading checked rows; shared by the writer's and the reader's connection."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: sqlite3.Connection | None = None

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            raise Unavailable(f"{self._path} is closed")
        return self._opened

    def _checked(self, row: Sequence[Any]) -> KeyValue:
        revision, key, value, create_revision, previous_revision, checksum = row
        if (
            not isinstance(key, bytes)
            or not isinstance(value, bytes | None)
            or checksum != _checksum(revision, key, value, create_revision, previous_revision)
        ):
            raise Corrupt(f"{self._path}: table log, revision {revision}: checksum mismatch")
        return KeyValue(key=key.decode(), value=value or b"", mod_revision=revision, create_revision=create_revision)

    def _find(self, key: str) -> KeyValue | None:
        """The live row of a key. Caller translates errors."""
        encoded = key.encode()
        query = f"SELECT live.revision, {_ROW} FROM live LEFT JOIN log ON log.revision = live.revision WHERE live.key = ?"
        row = self._connection.execute(query, (encoded,)).fetchone()
        if row is None:
            return None
        if row[1] is None or row[2] != encoded or row[3] is None:
            raise Corrupt(f"{self._path}: table live, key {key}: revision {row[0]} is not in the log")
        return self._checked(row[1:])

    def _compacted(self) -> int:
        row = self._connection.execute("SELECT revision, checksum FROM compaction").fetchone()
        if row is None or row[1] != zlib.crc32(b"%d" % row[0]):
            raise Corrupt(f"{self._path}: table compaction: checksum mismatch")
        return int(row[0])

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


class StoreFile(_Rows):
    """The writer's side. Call `open` first; all calls from one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._lock: IO[bytes] | None = None
        self._lock_path = path.with_name(path.name + ".lock")
        self.revision = 0
        self.compacted = 0
        super().__init__(path)

    def open(self) -> None:
        """Lock, create or check the file. Raises Corrupt, or Unavailable (another master has it, cannot be read)."""
        self._lock = self._acquire()
        try:
            check_wal(self._path)
            self._make_private()
            with _translated(self._path):
                self._opened = _connect(self._path)
                self._prepare()
                self._check()
        except BaseException:
            self.close()
            raise

    def _acquire(self) -> IO[bytes]:
        """The lock that lets one process write. A lock file of its own: SQLite's POSIX locks are lost with any close of the
        database file in this process."""
        try:
            lock = self._lock_path.open("ab")
        except OSError as error:
            raise Unavailable(f"{self._path}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise Unavailable(f"{self._path}: another process has this store open") from error
        return lock

    def _make_private(self) -> None:
        """The file holds Secrets: nobody else may read it, whatever the umask. SQLite gives its WAL the same mode."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.fchmod(descriptor, 0o600)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Unavailable(f"{self._path}: {error.strerror}") from error

    def _initialised(self) -> bool:
        """Whether the lock file says that a store was here: SQLite takes a file that lost all its bytes for a new one."""
        return self._lock_path.stat().st_size > 0

    def _mark_initialised(self) -> None:
        assert self._lock is not None
        self._lock.write(b"wherry store, format %d\n" % _FORMAT)
        self._lock.flush()
        os.fsync(self._lock.fileno())
        # The names of the new files must survive a power cut too.
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _prepare(self) -> None:
        connection = self._connection
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables == 0 and application == 0 and version == 0:
            if self._initialised():
                raise Corrupt(
                    f"{self._path}: the file is empty or gone; restore it, or remove {self._lock_path} to begin anew"
                )
            # WAL first: the mode cannot change inside the transaction that creates the schema.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(f"BEGIN; {_SCHEMA} INSERT INTO compaction VALUES (1, 0, {zlib.crc32(b'0')}); COMMIT;")
            self._mark_initialised()
            return
        if application != _APPLICATION_ID:
            raise Corrupt(f"{self._path}: header: not a wherry store (application id {application:#x})")
        if version != _FORMAT:
            raise Corrupt(f"{self._path}: header: format {version}, this version reads {_FORMAT}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    def _check(self) -> None:
        """Replay the log and compare it with `live`; leaves `revision` and `compacted` set."""
        connection = self._connection
        complaints = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
        if complaints != ["ok"]:
            raise Corrupt(f"{self._path}: {'; '.join(complaints)}")
        self.compacted = self._compacted()
        expected: dict[bytes, int] = {}
        newest = self.compacted
        for row in connection.execute(f"SELECT {_ROW} FROM log ORDER BY revision"):
            self._checked(row)
            revision, key, value = row[:3]
            if revision > self.compacted:
                if revision != newest + 1:
                    raise Corrupt(f"{self._path}: table log: revision {newest + 1} is missing")
                newest = revision
            if value is None:
                expected.pop(key, None)
            else:
                expected[key] = revision
        for key, revision in connection.execute("SELECT key, revision FROM live"):
            if expected.pop(key, None) != revision:
                raise Corrupt(f"{self._path}: table live, key {key!r}: revision {revision} is not the log's")
        if expected:
            missing = next(iter(expected)).decode()
            raise Corrupt(f"{self._path}: table live: {len(expected)} keys are missing, such as {missing}")
        self.revision = newest

    def commit(self, writes: Sequence[Write]) -> Sequence[StoreEvent | Conflict]:
        """Apply writes in order in one transaction; each fails alone with its Conflict. On disk when this returns.

        Raises Unavailable or Corrupt when none was written.
        """
        results: list[StoreEvent | Conflict] = []
        revision = self.revision
        with self._transaction():
            for write in writes:
                result = self._apply(write, revision + 1)
                if isinstance(result, StoreEvent):
                    revision += 1
                results.append(result)
        self.revision = revision
        return results

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _translated(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # After a full disk SQLite may have rolled back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _apply(self, write: Write, revision: int) -> StoreEvent | Conflict:
        previous = self._find(write.key)
        actual = previous.mod_revision if previous else 0
        if (write.expected is not None and write.expected != actual) or (write.value is None and previous is None):
            return Conflict(write.key, actual)
        key = write.key.encode()
        create_revision = previous.create_revision if previous else revision
        checksum = _checksum(revision, key, write.value, create_revision, actual)
        self._connection.execute(
            "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)", (revision, key, write.value, create_revision, actual, checksum)
        )
        if write.value is None:
            self._connection.execute("DELETE FROM live WHERE key = ?", (key,))
            return StoreEvent(key=write.key, revision=revision, current=None, previous=previous)
        self._connection.execute("INSERT OR REPLACE INTO live VALUES (?, ?)", (key, revision))
        current = KeyValue(key=write.key, value=write.value, mod_revision=revision, create_revision=create_revision)
        return StoreEvent(key=write.key, revision=revision, current=current, previous=previous)

    def compact(self, target: int) -> bool:
        """One bounded step of compaction towards `target`; whether more is left to do."""
        reached = min(target, self.revision, self.compacted + _COMPACTION_STEP)
        if reached <= self.compacted:
            return False
        span = (self.compacted, reached)
        with self._transaction():
            self._connection.execute(
                "DELETE FROM log WHERE revision IN (SELECT previous_revision FROM log WHERE revision > ? AND revision <= ?)",
                span,
            )
            self._connection.execute("DELETE FROM log WHERE revision > ? AND revision <= ? AND value IS NULL", span)
            self._connection.execute(
                "UPDATE compaction SET revision = ?, checksum = ?", (reached, zlib.crc32(b"%d" % reached))
            )
        self.compacted = reached
        return reached < min(target, self.revision)

    def close(self) -> None:
        """Also moves the write-ahead log into the file, as SQLite does at the last close."""
        super().close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


class Reader(_Rows):
    """The reader's side: sees what was committed before each call."""

    def open(self) -> None:
        with _translated(self._path):
            self._opened = _connect(self._path)
            self._opened.execute("PRAGMA query_only = ON")

    def get(self, key: str) -> KeyValue | None:
        with _translated(self._path):
            return self._find(key)

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        with _translated(self._path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("COMMIT")

    def range(self, prefix: str) -> tuple[Sequence[KeyValue], int]:
        found: list[KeyValue] = []
        # 0xff occurs in no UTF-8 text, so it ends every range of keys with this prefix.
        query = f"""SELECT live.key, {_ROW} FROM live LEFT JOIN log ON log.revision = live.revision
            WHERE live.key >= ? AND live.key < ? ORDER BY live.key"""
        with self._snapshot():
            for row in self._connection.execute(query, (prefix.encode(), prefix.encode() + b"\xff")):
                if row[2] != row[0] or row[3] is None:
                    raise Corrupt(f"{self._path}: table live, key {row[0]!r}: not in the log")
                found.append(self._checked(row[1:]))
            newest = self._connection.execute("SELECT max(revision) FROM log").fetchone()[0]
            return found, max(newest or 0, self._compacted())

    def events(self, prefix: str, after: int, limit: int) -> tuple[Sequence[StoreEvent], int]:
        """Up to `limit` events of the log after a revision that have this prefix, and the revision looked up to."""
        found: list[StoreEvent] = []
        query = f"""SELECT {_ROW}, {_ROW.replace("log.", "before.")} FROM log
            LEFT JOIN log AS before ON before.revision = log.previous_revision
            WHERE log.revision > ? ORDER BY log.revision LIMIT ?"""
        wanted = prefix.encode()
        reached = after
        with self._snapshot():
            if after < self._compacted():
                raise Compacted(f"revision {after} has been compacted")
            for row in self._connection.execute(query, (after, limit)):
                reached = row[0]
                current = self._checked(row[:6])
                if not row[1].startswith(wanted):
                    continue
                if row[4] and row[6] is None:
                    raise Corrupt(f"{self._path}: table log: revision {row[4]} is missing")
                found.append(
                    StoreEvent(
                        key=current.key,
                        revision=reached,
                        current=None if row[2] is None else current,
                        previous=self._checked(row[6:]) if row[4] else None,
                    )
                )
        return found, reached
