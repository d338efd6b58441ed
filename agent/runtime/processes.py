"""Ends a process inside a container from the host: the engine has no call for a command that it executes there."""

import contextlib
import os
import signal
from pathlib import Path


def kill_tree(pid: int, *, inside: str) -> None:
    """SIGKILL a process and its descendants. Blocking.

    inside: the container's id. A process that is not in that container's control group is left alone: the number may have been
    given to another since, or the engine runs on another host.
    """
    processes = [pid]
    for process in processes:
        processes += _children(process)
    for process in processes:
        if _is_inside(process, inside):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in listing.read_text().split()]
    return found


def _is_inside(pid: int, container_id: str) -> bool:
    try:
        return container_id in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False
