"""mount(2) and umount2(2), which Python lacks. Blocking; called on worker threads."""

import ctypes
import os
from pathlib import Path

_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND = 0x2, 0x4, 0x8, 0x1000
_MNT_DETACH = 0x2

_libc = ctypes.CDLL(None, use_errno=True)


def mount_tmpfs(target: Path, *, size: int = 0, mode: int = 0o777, noexec: bool = False) -> None:
    """A tmpfs of at most `size` bytes (0: half of the memory). Raises OSError."""
    options = f"mode={mode:o}" + (f",size={size}" if size else "")
    _mount("tmpfs", str(target), "tmpfs", _MS_NOSUID | _MS_NODEV | (_MS_NOEXEC if noexec else 0), options)


def bind(source: str, target: Path) -> None:
    _mount(source, str(target), "", _MS_BIND, "")


def unmount(target: str) -> None:
    """Detach at once; whoever still uses it keeps it until they end. Raises OSError."""
    if _libc.umount2(os.fsencode(target), _MNT_DETACH) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def mounts_below(directory: Path) -> list[str]:
    """Mount points at or below, deepest first."""
    prefix = str(directory)
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            point = _unescape(line.split(" ", 5)[4])
            if point == prefix or point.startswith(prefix + "/"):
                found.append(point)
    return sorted(found, key=len, reverse=True)


def is_mount(directory: Path) -> bool:
    return str(directory) in mounts_below(directory)


def _mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    if _libc.mount(os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def _unescape(text: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text
