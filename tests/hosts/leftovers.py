"""Removing what a run of hosts made, whether it ends well or was killed.

Works from names alone (the run's folder, namespaces, control groups), so it needs nothing of the run that died. Each step is
tried even when an earlier one failed. Blocking: called on a thread. Kills only processes that run inside the run's own
namespaces or control groups or were started with a path of its folder.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

PREFIX = "wh-"
_ROOT = Path(tempfile.gettempdir())
_NAMESPACES = Path("/run/netns")
_CGROUPS = Path("/sys/fs/cgroup")
_T = TypeVar("_T")


def start_time(pid: int) -> str:
    """A process's start in clock ticks since boot: with the pid, an identity that is never reused. "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def make_run_folder(run: str) -> Path:
    """The folder of a run, marked with its owner: this process."""
    folder = _ROOT / run
    folder.mkdir(mode=0o711)
    (folder / "owner").write_text(f"{os.getpid()} {start_time(os.getpid())}")
    return folder


def remove_leftovers() -> list[str]:
    """Remove the runs whose process is gone; their names. Runs of living processes stay."""
    removed = []
    with (_ROOT / "wh.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for folder in sorted(_ROOT.glob(PREFIX + "*-*")):
            try:
                pid, _, started = (folder / "owner").read_text().partition(" ")
                if start_time(int(pid)) == started:
                    continue
            except (OSError, ValueError):
                if not folder.is_dir() or time.time() - folder.stat().st_mtime < 60:
                    continue  # it may be just being made
            remove_run(folder)
            removed.append(folder.name)
    return removed


def remove_run(folder: Path) -> None:
    """Remove everything that the run of this folder made: containers, engines, processes, namespaces, mounts, files."""
    run = folder.name
    for step in (_remove_containers, _stop_engines):
        _tried(step, folder)
    for _ in range(50):
        pids = set(_processes_of(folder))
        if not pids:
            break
        for pid in pids:
            _tried(lambda pid: os.kill(pid, signal.SIGKILL), pid)
        time.sleep(0.05)
    for mount in _mounts_under(folder):
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
    for namespace in _namespaces_of(run):
        subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)
    for group in _cgroups_of(run):
        for child in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
            _tried(os.rmdir, child)
        _tried(os.rmdir, group)
    shutil.rmtree(folder, ignore_errors=True)


def _tried(step: Callable[[_T], object], argument: _T) -> None:
    try:
        step(argument)
    except (OSError, subprocess.SubprocessError):
        pass  # the next step or the next run's clean-up gets it


def _remove_containers(folder: Path) -> None:
    """Before their engine stops, or its mounts stay busy."""
    for socket in folder.glob("*/docker.sock"):
        docker = ["docker", "-H", f"unix://{socket}"]
        listed = subprocess.run([*docker, "ps", "-aq"], check=False, capture_output=True, text=True, timeout=10)
        if ids := listed.stdout.split():
            subprocess.run([*docker, "rm", "-f", *ids], check=False, capture_output=True, timeout=60)


def _stop_engines(folder: Path) -> None:
    pids = []
    for file in folder.glob("*/docker.pid"):
        pid = int(file.read_text())
        if str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGTERM)
            pids.append((pid, start_time(pid)))
    deadline = time.monotonic() + 15
    while any(start_time(pid) == started for pid, started in pids) and time.monotonic() < deadline:
        time.sleep(0.05)


def _processes_of(folder: Path) -> Iterator[int]:
    run = folder.name
    for group in _cgroups_of(run):
        for file in group.rglob("cgroup.procs"):
            yield from map(int, file.read_text().split())
    for namespace in _namespaces_of(run):
        listed = subprocess.run(["ip", "netns", "pids", namespace], check=False, capture_output=True, text=True)
        yield from map(int, listed.stdout.split())
    needle = f"{folder}/".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if needle in (entry / "cmdline").read_bytes():
                    yield int(entry.name)
            except OSError:
                continue  # it ended meanwhile


def _namespaces_of(run: str) -> list[str]:
    return sorted(path.name for path in _NAMESPACES.glob(f"{run}-*"))


def _cgroups_of(run: str) -> list[Path]:
    return [*_CGROUPS.glob(f"{run}-*"), *_CGROUPS.glob(f"*/{run}-*")]


def _mounts_under(folder: Path) -> list[str]:
    prefix = f"{folder}/"
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in reversed(points) if point.startswith(prefix)]
