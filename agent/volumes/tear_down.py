"""Removes a pod's directory with all its volumes, whatever their types; works for a pod whose manifest is lost.

Everything mounted below is detached first, so that the removal never walks into a file system that is not the pod's own.
hostPath volumes have nothing here.
"""

import shutil
from pathlib import Path

from agent.volumes.mounts import mounts_below, unmount


def tear_down(directory: Path) -> None:
    """Blocking; idempotent. Raises OSError when something cannot be detached or removed; called again then."""
    if not directory.exists():
        return
    for point in mounts_below(directory):
        unmount(point)
    remaining = mounts_below(directory)
    if remaining:
        raise OSError(f"{remaining[0]} is still mounted")
    # rmtree does not follow symbolic links.
    shutil.rmtree(directory)
