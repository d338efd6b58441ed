"""Finds damage in SQLite's write-ahead log before SQLite opens it; called by `master.store.sqlite_file`.

SQLite takes the first frame that does not verify for the torn end of an unfinished write and forgets everything after it.
After a crash that is right for the last transaction; but with synchronous=FULL each transaction is on disk before the next one
begins, so an intact transaction behind a broken frame proves that acknowledged writes were damaged. What cannot be told apart
from a torn write, and is not found, is damage in the very last transaction.

Source: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
"""

import struct
from dataclasses import dataclass
from pathlib import Path

from master.store.protocol import Corrupt

_HEADER = 32
_FRAME_HEADER = 24
_MAGIC = 0x377F0682
_MASK = 0xFFFFFFFF

Sums = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Frame:
    checked: bytes
    """What its checksum covers beside the frame before it."""
    commits: bool
    salts: Sums
    sums: Sums


def check_wal(path: Path) -> None:
    """Check the log beside a database. Raises Corrupt, naming the frame."""
    try:
        content = path.with_name(path.name + "-wal").read_bytes()
    except FileNotFoundError:
        return
    if len(content) < _HEADER + _FRAME_HEADER:
        return
    magic, _, page_size, _, *rest = struct.unpack_from(">8I", content)
    # The lowest bit of the magic number tells the byte order of the checksums' words.
    order = ">" if magic & 1 else "<"
    salts, sums = (rest[0], rest[1]), (rest[2], rest[3])
    if magic & ~1 != _MAGIC or _add((0, 0), content[:24], order) != sums:
        if any(content[:_HEADER]):
            raise Corrupt(f"{path}-wal: header: checksum mismatch")
        return
    size = _FRAME_HEADER + page_size
    frames = [_frame(content[start : start + size]) for start in range(_HEADER, len(content) - size + 1, size)]
    broken = _first_broken(frames, salts, sums, order)
    for number in range(broken, len(frames) - 1):
        committed, following = frames[number], frames[number + 1]
        if committed.commits and following.salts == salts and _add(committed.sums, following.checked, order) == following.sums:
            raise Corrupt(f"{path}-wal: frame {broken + 1} of {len(frames)}: checksum mismatch before an intact transaction")


def _frame(content: bytes) -> _Frame:
    _, pages_after, *rest = struct.unpack_from(">6I", content)
    return _Frame(
        checked=content[:8] + content[_FRAME_HEADER:],
        commits=pages_after != 0,
        salts=(rest[0], rest[1]),
        sums=(rest[2], rest[3]),
    )


def _first_broken(frames: list[_Frame], salts: Sums, sums: Sums, order: str) -> int:
    """The index of the first frame that does not continue the chain of checksums."""
    for number, frame in enumerate(frames):
        sums = _add(sums, frame.checked, order)
        if frame.salts != salts or frame.sums != sums:
            return number
    return len(frames)


def _add(sums: Sums, content: bytes, order: str) -> Sums:
    first, second = sums
    for left, right in struct.iter_unpack(f"{order}2I", content):
        first = (first + left + second) & _MASK
        second = (second + right + first) & _MASK
    return first, second
