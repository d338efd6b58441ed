"""mount(2) and umount2(2), which Python lacks, and what is mounted. Blocking; called on worker threads.

Nothing here follows a symbolic link at the end of a path. Whether something is a mount point is read from the kernel by its
mount id, so a path that leads over links to the agent's folder is found as well.
"""

import ctypes
import errno
import os
import re
from pathlib import Path

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT = 0x1, 0x2, 0x4, 0x8, 0x20
_MS_BIND, _MS_REC, _MS_SHARED = 0x1000, 0x4000, 1 << 20
_MNT_DETACH, _UMOUNT_NOFOLLOW = 0x2, 0x8
_OCTAL = re.compile(r"\\([0-7]{3})")

_libc = ctypes.CDLL(None, use_errno=True)


def mount_tmpfs(
    target: Path, *, size: int = 0, mode: int = 0o777, group: int | None = None, noexec: bool = False, secret: bool = False
) -> None:
    """A tmpfs of at most `size` bytes (0: half of the memory). `secret`: not to be swapped out, where the kernel can tell.

    Raises OSError.
    """
    options = f"mode={mode:o}" + (f",size={size}" if size else "") + (f",gid={group}" if group is not None else "")
    flags = _MS_NOSUID | _MS_NODEV | (_MS_NOEXEC if noexec else 0)
    if secret and _has_swap():
        try:
            _mount("tmpfs", str(target), "tmpfs", flags, f"{options},noswap")
            return
        except OSError as error:
            if error.errno != errno.EINVAL:  # Linux before 6.4 does not know it
                raise
    _mount("tmpfs", str(target), "tmpfs", flags, options)


def mount_huge_pages(target: Path, *, page_size: str, mode: int, group: int | None) -> None:
    """Raises OSError."""
    options = f"pagesize={page_size},mode={mode:o}" + (f",gid={group}" if group is not None else "")
    _mount("nodev", str(target), "hugetlbfs", _MS_NOSUID | _MS_NODEV, options)


def bind(source: str, target: Path, *, read_only: bool = False) -> None:
    """Show one file or directory at another place, without what is mounted below it. Raises OSError."""
    _mount(source, str(target), "", _MS_BIND, "")
    if read_only:
        try:
            _mount("", str(target), "", _MS_BIND | _MS_REMOUNT | _MS_RDONLY, "")
        except OSError:
            unmount(str(target))
            raise


def make_shared(directory: Path) -> None:
    """Make what is mounted below the directory from now on reach containers that ask for it. Raises OSError.

    Needed where the host's own mounts are private; kubelet does the same with its root.
    """
    if "shared:" in _optional_fields(directory):
        return
    if not is_mount(directory):
        _mount(str(directory), str(directory), "", _MS_BIND, "")
    _mount("", str(directory), "", _MS_SHARED | _MS_REC, "")


def unmount(target: str) -> None:
    """Detach at once; whoever still uses it keeps it until they end. Raises OSError."""
    if _libc.umount2(os.fsencode(target), _MNT_DETACH | _UMOUNT_NOFOLLOW) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def mounts_below(directory: Path) -> list[str]:
    """Mount points at or below, deepest first."""
    prefix = str(directory.resolve())
    found = []
    for line in _table():
        point = _unescape(line.split(" ", 5)[4])
        if point == prefix or point.startswith(prefix + "/"):
            found.append(point)
    return sorted(found, key=len, reverse=True)


def is_listed(directory: Path) -> bool:
    """Whether it is a mount point, without touching what is mounted: that may be a server which does not answer."""
    wanted = str(directory.parent.resolve() / directory.name)
    return any(_unescape(line.split(" ", 5)[4]) == wanted for line in _table())


def is_mount(path: Path) -> bool:
    """Whether a file or directory is a mount point. False when it is not there."""
    try:
        own = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        parent = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
        try:
            return mount_id(own) != mount_id(parent)
        finally:
            os.close(parent)
    finally:
        os.close(own)


def mount_id(descriptor: int) -> str:
    """Of the mount that an open file was reached through."""
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as lines:
        return next((line.split()[1] for line in lines if line.startswith("mnt_id:")), "")


def _optional_fields(directory: Path) -> str:
    """Of the mount that the directory lies in: how it passes mounts on."""
    descriptor = os.open(directory, os.O_PATH | os.O_CLOEXEC)
    try:
        wanted = mount_id(descriptor)
    finally:
        os.close(descriptor)
    for line in _table():
        if line.split(" ", 1)[0] == wanted:
            return line.split(" - ", 1)[0].split(" ", 6)[-1]
    return ""


def _table() -> list[str]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        return table.readlines()


def _has_swap() -> bool:
    try:
        with open("/proc/swaps", encoding="utf-8") as table:
            return len(table.readlines()) > 1
    except OSError:
        return True


def _mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    if _libc.mount(os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def _unescape(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), text)
