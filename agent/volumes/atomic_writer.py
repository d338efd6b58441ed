"""Files that change all at once, as Kubernetes' AtomicWriter: readers see all old or all new, never a mix.

    volume/
      ..2026_11_20_21_00_00.123/key      the present files
      ..data -> ..2026_11_20_21_00_00.123  swapped by one rename
      key -> ..data/key                  what users open

Blocking; called on worker threads, one at a time per volume.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from agent.volumes.protocol import MountFailed

_DATA = "..data"


@dataclass(frozen=True, slots=True)
class VolumeFile:
    """A file's bytes (never shown in logs), permission bits, and its user where that is not root."""

    data: bytes
    mode: int
    owner: int | None = None


def write(directory: Path, files: Mapping[str, VolumeFile], *, group: int | None) -> bool:
    """Make the volume hold exactly these files, by relative path. True when something changed. Raises MountFailed, OSError."""
    for path in files:
        _check(path)
    directory.mkdir(parents=True, exist_ok=True)
    present = directory / _DATA
    if present.is_symlink() and _same(present.resolve(), files, group):
        _publish(directory, files)
        return False
    stamp = time.strftime("..%Y_%m_%d_%H_%M_%S.", time.gmtime())
    fresh = Path(tempfile.mkdtemp(prefix=stamp, dir=directory))
    fresh.chmod(0o755)
    for path, file in files.items():
        target = fresh / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)
        # The mode is set after the owner: chown clears some bits.
        if group is not None or file.owner is not None:
            os.chown(target, -1 if file.owner is None else file.owner, -1 if group is None else group)
        target.chmod(_mode(file, group))
    old = os.readlink(present) if present.is_symlink() else None
    swap = directory / "..data_tmp"
    swap.unlink(missing_ok=True)
    swap.symlink_to(fresh.name)
    os.replace(swap, present)
    _publish(directory, files)
    if old is not None and old.startswith("..") and "/" not in old:
        shutil.rmtree(directory / old, ignore_errors=True)
    return True


def _mode(file: VolumeFile, group: int | None) -> int:
    """With an fsGroup the group may read, as kubelet's SetVolumeOwnership grants for read-only volumes."""
    return file.mode if group is None else file.mode | 0o440


def _check(path: str) -> None:
    parts = PurePosixPath(path).parts
    if not path or path.startswith("/") or ".." in parts or parts[0].startswith(".."):
        raise MountFailed(f"invalid path {path!r}: must be relative and not start with or contain '..'")


def _same(present: Path, files: Mapping[str, VolumeFile], group: int | None) -> bool:
    found = {str(path.relative_to(present)) for path in present.rglob("*") if path.is_file()}
    if found != set(map(str, map(PurePosixPath, files))):
        return False
    for path, file in files.items():
        status = (present / path).stat()
        if file.owner is not None and status.st_uid != file.owner:
            return False
        if status.st_mode & 0o7777 != _mode(file, group) or (present / path).read_bytes() != file.data:
            return False
    return True


def _publish(directory: Path, files: Mapping[str, VolumeFile]) -> None:
    """Links for the first component of each path; stale ones go."""
    wanted = {PurePosixPath(path).parts[0] for path in files}
    for name in wanted:
        link = directory / name
        if not link.is_symlink():
            if link.is_dir():
                # Made for a subPath before the key was there; whoever has it mounted keeps it.
                link.rmdir()
            link.symlink_to(f"{_DATA}/{name}")
    for entry in directory.iterdir():
        if entry.is_symlink() and entry.name != _DATA and entry.name not in wanted:
            entry.unlink()
