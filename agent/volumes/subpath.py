"""Part of a volume as a mount of its own, without letting a symbolic link lead out of the volume.

Between a check of a path and its mount a pod could swap a directory for a link (CVE-2017-1002101, CVE-2021-25741). So the
path is opened one component at a time without following links, and what was opened is bind-mounted, by its descriptor, to a
place that no pod can reach; that place is what the engine mounts. Blocking; called on worker threads.
"""

import errno
import os
import stat
from pathlib import Path, PurePosixPath

from agent.volumes.mounts import bind, is_mount, unmount


class SubpathFailed(Exception):
    """Not told to users: it would say what there is on the host."""


def prepare(volume: Path, subpath: str, target: Path) -> Path:
    """Bind-mount `subpath` of the volume at `target` (made as needed) and return it. Raises SubpathFailed.

    A missing subpath becomes a directory. A target at which the same is mounted already is
    kept; another one was for an instance of the container that has ended, which keeps its own copy of the mount.
    """
    if PurePosixPath(subpath).is_absolute() or ".." in PurePosixPath(subpath).parts:
        raise SubpathFailed("it must be relative and not contain '..'")
    try:
        root = volume.resolve(strict=True)
        # Not Path.resolve, which fails in its own way on a loop of links.
        wanted = Path(os.path.realpath(root / subpath))
        if not wanted.is_relative_to(root):
            raise SubpathFailed("it leads out of its volume")
        descriptor = _open_beneath(root, wanted.relative_to(root).parts)
    except OSError as error:
        raise SubpathFailed(str(error)) from error
    try:
        if is_mount(target):
            if os.path.samestat(os.fstat(descriptor), target.lstat()):
                return target
            unmount(str(target))
        _make_target(target, is_directory=stat.S_ISDIR(os.fstat(descriptor).st_mode))
        bind(f"/proc/self/fd/{descriptor}", target)
    except OSError as error:
        raise SubpathFailed(str(error)) from error
    finally:
        os.close(descriptor)
    return target


def _make_target(target: Path, *, is_directory: bool) -> None:
    """What was there for another kind of subpath goes: only its own kind can be mounted on."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if is_directory:
        if target.is_file():
            target.unlink()
        target.mkdir(exist_ok=True)
    else:
        if target.is_dir():
            target.rmdir()
        target.touch(exist_ok=True)


def _open_beneath(root: Path, parts: tuple[str, ...]) -> int:
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    current = os.open(root, flags)
    try:
        mode = stat.S_IMODE(os.fstat(current).st_mode)
        group = os.fstat(current).st_gid
        for part in parts:
            made = False
            try:
                following = os.open(part, flags, dir_fd=current)
            except FileNotFoundError:
                try:
                    os.mkdir(part, dir_fd=current)
                    made = True
                except FileExistsError:
                    pass  # somebody else's, judged like any other
                following = os.open(part, flags, dir_fd=current)
            if stat.S_ISLNK(os.fstat(following).st_mode):
                os.close(following)
                raise OSError(errno.ELOOP, "a component became a symbolic link")
            if made and stat.S_ISDIR(os.fstat(following).st_mode):
                # By descriptor: a name could lead elsewhere by now. kubelet gives it the volume's own permissions.
                if mode & stat.S_ISGID:
                    os.chown(f"/proc/self/fd/{following}", -1, group)
                os.chmod(f"/proc/self/fd/{following}", mode)
            os.close(current)
            current = following
    except BaseException:
        os.close(current)
        raise
    return current
