"""Removes a pod's directory with all its volumes, whatever their types; works for a pod whose manifest is lost.

Everything mounted below is detached first; what is removed then is told by mount ids to lie in the directory's own file system
and mount, so that neither a link nor a mount that somebody left or makes meanwhile leads the removal out of the pod's folder.
hostPath volumes have nothing here.

A pod may nest directories deeper than a path may be long, or a call stack: instead of descending, each directory that is not
empty is moved up into the pod's own and emptied there.
"""

import contextlib
import errno
import os
from pathlib import Path

from agent.volumes.mounts import mount_id, mounts_below, unmount

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def tear_down(directory: Path) -> None:
    """Blocking; idempotent. Raises OSError when something cannot be detached or removed; called again then."""
    if directory.is_symlink() or not directory.exists():
        return
    for point in mounts_below(directory):
        unmount(point)
    remaining = mounts_below(directory)
    if remaining:
        raise OSError(errno.EBUSY, "still mounted", remaining[0])
    _remove(directory)


def _remove(directory: Path) -> None:
    top = os.open(directory, _DIRECTORY)
    try:
        mount = mount_id(top)
        waiting = _empty(top, top, mount=mount)
        while waiting:
            name = waiting.pop()
            inner = _open(name, top, mount=mount)
            try:
                waiting += _empty(inner, top, mount=mount)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    directory.rmdir()


def _empty(folder: int, top: int, *, mount: str) -> list[str]:
    """Remove what is in an open folder; its directories that are not empty are in `top` then, by these names."""
    moved = []
    with os.scandir(folder) as found:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
    for name, is_directory in entries:
        with contextlib.suppress(FileNotFoundError):
            if not is_directory:
                os.unlink(name, dir_fd=folder)
            elif not _removed(name, folder):
                # Looked at before it is moved: what another made a mount point is not touched.
                os.close(_open(name, folder, mount=mount))
                moved.append(name if folder == top else _move(name, folder, top))
    return moved


def _removed(name: str, folder: int) -> bool:
    """Whether the directory was empty, and is gone."""
    try:
        os.rmdir(name, dir_fd=folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _open(name: str, folder: int, *, mount: str) -> int:
    """Raises OSError when it is a link or leads into another mount."""
    opened = os.open(name, _DIRECTORY, dir_fd=folder)
    if mount_id(opened) != mount:
        os.close(opened)
        raise OSError(errno.EBUSY, "is a mount point", name)
    return opened


def _move(name: str, folder: int, top: int) -> str:
    """Into `top`, under a name that is free there."""
    number = os.fstat(folder).st_ino
    while True:
        target = f".removing-{number}"
        try:
            os.stat(target, dir_fd=top, follow_symlinks=False)
        except FileNotFoundError:
            os.rename(name, target, src_dir_fd=folder, dst_dir_fd=top)
            return target
        number += 1
