"""Gives a volume's files to the pod's fsGroup. https://kubernetes.io/docs/tasks/configure-pod-container/security-context/

As kubelet's VolumeOwnership: the group is set, group rights are added, directories get the setgid bit. A tree of millions of
files takes its time on its thread, and nothing waits for it but its pod. Blocking.

What another pod does to the volume meanwhile leads nowhere else: every file is opened without following links and changed by
its descriptor. The root comes last: whoever is cut off begins again, also with OnRootMismatch.
"""

import contextlib
import errno
import os
import stat
from pathlib import Path

_READ_WRITE, _EXECUTE = 0o660, 0o110
_OPEN = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
#: Directories within one another, each an open file. A path as deep could not be named by anybody.
_MAX_DEPTH = 2000


def give_to_group(root: Path, group: int, *, policy: str) -> None:
    """policy: Always or OnRootMismatch. Raises OSError."""
    if policy == "OnRootMismatch" and _is_given(root.stat(), group):
        return
    opened = [os.open(root, os.O_PATH | os.O_CLOEXEC)]
    waiting = [_names(opened[0])]
    try:
        while opened:
            if not waiting[-1]:
                _give(opened[-1], group)
                os.close(opened.pop())
                waiting.pop()
                continue
            with contextlib.suppress(FileNotFoundError):
                entry = os.open(waiting[-1].pop(), _OPEN, dir_fd=opened[-1])
                if not stat.S_ISDIR(os.fstat(entry).st_mode):
                    try:
                        _give(entry, group)
                    finally:
                        os.close(entry)
                    continue
                opened.append(entry)
                if len(opened) > _MAX_DEPTH:
                    raise OSError(errno.ENAMETOOLONG, "the volume's directories are nested too deep", str(root))
                waiting.append(_names(entry))
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _names(directory: int) -> list[str]:
    """Through /proc: what is open is a place only, which cannot be read."""
    if not stat.S_ISDIR(os.fstat(directory).st_mode):
        return []
    return os.listdir(f"/proc/self/fd/{directory}")


def _give(descriptor: int, group: int) -> None:
    found = os.fstat(descriptor)
    if stat.S_ISLNK(found.st_mode):
        return  # its rights say nothing
    wanted = stat.S_IMODE(found.st_mode) | _mask(found.st_mode)
    place = f"/proc/self/fd/{descriptor}"
    if found.st_gid != group:
        os.chown(place, -1, group)
        os.chmod(place, wanted)  # chown takes the setgid bit away
    elif wanted != stat.S_IMODE(found.st_mode):
        os.chmod(place, wanted)


def _mask(mode: int) -> int:
    return _READ_WRITE | (stat.S_ISGID | _EXECUTE if stat.S_ISDIR(mode) else 0)


def _is_given(found: os.stat_result, group: int) -> bool:
    mask = _mask(found.st_mode)
    return found.st_gid == group and stat.S_IMODE(found.st_mode) & mask == mask
