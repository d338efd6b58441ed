"""A directory whose files never reach a disk, nor swap where the kernel can tell: for what is secret."""

from pathlib import Path

from agent.volumes.mounts import is_mount, mount_tmpfs
from agent.volumes.protocol import MountFailed


def memory_directory(directory: Path, *, size: int = 0) -> None:
    """A tmpfs at the directory, kept when it is there. Raises MountFailed.

    size: its limit in bytes; 0: half of the memory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if is_mount(directory):
        return
    try:
        mount_tmpfs(directory, size=size, mode=0o755, noexec=True, secret=True)
    except OSError as error:
        raise MountFailed(f"mount of a tmpfs failed: {error.strerror}") from error
