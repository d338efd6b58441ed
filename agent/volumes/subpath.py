"""Part of a volume as a mount of its own, without letting a symbolic link lead out of the volume.

Between a check of a path and its mount a pod could swap a directory for a link (CVE-2017-1002101, CVE-2021-25741). So the
path is opened one component at a time without following links, and what was opened is bind-mounted, by its descriptor, to a
place that no pod can reach; that place is what the engine mounts. Blocking; called on worker threads.
"""

import errno
import os
import stat
from pathlib import Path, PurePosixPath

from agent.volumes.mounts import bind, is_mount
from agent.volumes.protocol import MountFailed


def prepare(volume: Path, subpath: str, target: Path) -> Path:
    """Bind-mount `subpath` of the volume at `target` (made as needed) and return it. Raises MountFailed.

    A missing subpath becomes a directory. A target that is mounted already is kept: its container may run.
    """
    if PurePosixPath(subpath).is_absolute() or ".." in PurePosixPath(subpath).parts:
        raise MountFailed(f"subPath {subpath!r} must be relative and not contain '..'")
    if is_mount(target):
        return target
    root = volume.resolve()
    wanted = (root / subpath).resolve()
    if not wanted.is_relative_to(root):
        raise MountFailed(f"subPath {subpath!r} leads out of its volume")
    try:
        descriptor = _open_beneath(root, wanted.relative_to(root).parts)
    except OSError as error:
        raise MountFailed(f"subPath {subpath!r}: {error.strerror}") from error
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            target.mkdir(exist_ok=True)
        else:
            target.touch(exist_ok=True)
        bind(f"/proc/self/fd/{descriptor}", target)
    except OSError as error:
        raise MountFailed(f"subPath {subpath!r}: {error.strerror}") from error
    finally:
        os.close(descriptor)
    return target


def _open_beneath(root: Path, parts: tuple[str, ...]) -> int:
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    current = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mode = stat.S_IMODE(os.fstat(current).st_mode)
        for part in parts:
            made = False
            try:
                following = os.open(part, flags, dir_fd=current)
            except FileNotFoundError:
                os.mkdir(part, dir_fd=current)
                made = True
                following = os.open(part, flags, dir_fd=current)
            if stat.S_ISLNK(os.fstat(following).st_mode):
                os.close(following)
                raise OSError(errno.ELOOP, "a component became a symbolic link")
            if made:
                # By descriptor: a name could lead elsewhere by now.
                os.chmod(f"/proc/self/fd/{following}", mode)
            os.close(current)
            current = following
    except BaseException:
        os.close(current)
        raise
    return current
