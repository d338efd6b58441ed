"""A directory whose files never reach a disk: for what is secret."""

from pathlib import Path

from agent.volumes.mounts import is_mount, mount_tmpfs
from agent.volumes.protocol import MountFailed


def memory_directory(directory: Path) -> None:
    """A tmpfs at the directory, kept when it is there. Raises MountFailed."""
    directory.mkdir(parents=True, exist_ok=True)
    if is_mount(directory):
        return
    try:
        mount_tmpfs(directory, mode=0o755, noexec=True)
    except OSError as error:
        raise MountFailed(f"mount of a tmpfs failed: {error.strerror}") from error
