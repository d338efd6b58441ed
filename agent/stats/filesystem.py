"""File systems: what one holds as a whole, and what a directory takes of it.

`filesystem` is instant. `walk` reads every directory below: it belongs on a thread of its own, and `agent.stats.disk` keeps
what it found. Both are for the host's own paths.
"""

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: Of one walk, in seconds and in files: what takes longer is counted so far and said to be incomplete.
WALK_SECONDS = 20.0
WALK_FILES = 1_000_000
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class FileSystem:
    """A file system as a whole, in bytes and inodes. `time`: seconds since the epoch."""

    time: float
    capacity: int
    available: int
    inodes: int
    inodes_free: int

    @property
    def used(self) -> int:
        """Nobody but root may have what is neither used nor available."""
        return self.capacity - self.available


@dataclass(frozen=True, slots=True)
class Taken:
    """What a directory takes. `complete`: False when the walk was cut off: it takes at least this much."""

    time: float
    used: int
    inodes: int
    complete: bool = True


def filesystem(path: Path) -> FileSystem | None:
    """Of the file system that holds this path, or its first parent that is there. None: it does not answer."""
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        status = os.statvfs(path)
    except OSError:
        return None
    return FileSystem(
        time.time(),
        status.f_blocks * status.f_frsize,
        status.f_bavail * status.f_frsize,
        status.f_files,
        status.f_favail,
    )


def walk(path: Path, *, clock: Callable[[], float] = time.monotonic, seconds: float = WALK_SECONDS) -> Taken | None:
    """As `du -x`: blocks on the disk, files with several names once, other file systems left out. None: it is not there.

    Files that come and go meanwhile are no error. Symbolic links are counted, never followed.
    """
    end = clock() + seconds
    try:
        top = os.lstat(path)
    except OSError:
        return None
    if not stat.S_ISDIR(top.st_mode):
        return Taken(time.time(), top.st_blocks * _BLOCK, 1)
    used, inodes, complete = top.st_blocks * _BLOCK, 1, True
    several: set[int] = set()
    directories = [os.fspath(path)]
    while directories and complete:
        try:
            with os.scandir(directories.pop()) as entries:
                for entry in entries:
                    try:
                        found = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue
                    if found.st_dev != top.st_dev:
                        continue
                    if stat.S_ISDIR(found.st_mode):
                        directories.append(entry.path)
                    elif found.st_nlink > 1:
                        if found.st_ino in several:
                            continue
                        several.add(found.st_ino)
                    used += found.st_blocks * _BLOCK
                    inodes += 1
        except OSError:
            continue
        complete = inodes < WALK_FILES and clock() < end
    return Taken(time.time(), used, inodes, complete or not directories)


def log_files(directory: Path) -> Taken | None:
    """What a container's log takes, rotated files included, of the directory that the engine keeps for it. Instant."""
    used = inodes = 0
    for pattern in ("*-json.log*", "local-logs/*"):
        for path in directory.glob(pattern):
            try:
                used += path.lstat().st_blocks * _BLOCK
            except OSError:
                continue  # rotated meanwhile
            inodes += 1
    return Taken(time.time(), used, inodes) if inodes else None
