"""Finds control groups, whatever made them: of a container by /proc/PID/cgroup of its first process, and the node's root.

Both versions, and both at once as some hosts mount them: a controller is read where it is mounted. Which files a version has
is told in `cgroup_v1` and `cgroup_v2`. Blocking but instant.
https://man7.org/linux/man-pages/man7/cgroups.7.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agent.stats import cgroup_v1, cgroup_v2
from agent.stats.mounts import parse_mounts
from agent.stats.text_file import text
from agent.stats.usage import Usage


class Cgroup(Protocol):
    """`read` never fails: what has gone has only a time."""

    def read(self) -> Usage: ...


@dataclass(frozen=True, slots=True)
class _Hierarchy:
    target: Path
    root: str

    def directory(self, path: str) -> Path | None:
        """Of a path in /proc/PID/cgroup; None when this mount does not show it."""
        if "/.." in path:
            return None  # outside of the reader's cgroup namespace
        if self.root not in ("/", path) and not path.startswith(f"{self.root}/"):
            return None
        below = path if self.root == "/" else path[len(self.root) :]
        return self.target / below.lstrip("/")


class Cgroups:
    """`proc`: where /proc is mounted."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._v1: dict[str, _Hierarchy] = {}
        self._v2: _Hierarchy | None = None
        for mount in parse_mounts(text(proc / "self/mountinfo")):
            hierarchy = _Hierarchy(Path(mount.target), mount.root)
            if mount.type == "cgroup":
                for name in mount.options:
                    self._v1.setdefault(name, hierarchy)
            elif mount.type == "cgroup2" and self._v2 is None:
                self._v2 = hierarchy

    def of_container(self, pid: int, container_id: str) -> Cgroup | None:
        """None when the process has gone, or is another container's by now.

        A container may move its processes to groups below its own (systemd does): the one that bears its id is taken.
        """
        paths: dict[str, str] = {}
        for line in text(self._proc / str(pid) / "cgroup").splitlines():
            _, _, rest = line.partition(":")
            names, _, path = rest.partition(":")
            if container_id in path:
                paths.update(dict.fromkeys(names.split(","), _of_container(path, container_id)))
        return self._at(paths) if paths else None

    def of_process(self, pid: int | str) -> Cgroup | None:
        """The group that a process is in by itself; None when that is the root."""
        paths = {}
        for line in text(self._proc / str(pid) / "cgroup").splitlines():
            _, _, rest = line.partition(":")
            names, _, path = rest.partition(":")
            if path != "/":
                paths.update(dict.fromkeys(names.split(","), path))
        return self._at(paths) if paths else None

    def root(self) -> Cgroup | None:
        """The node's own: all of its processes."""
        return self._at(
            {name: hierarchy.root for name, hierarchy in self._v1.items()} | {"": self._v2.root if self._v2 else "/"}
        )

    def _at(self, paths: Mapping[str, str]) -> Cgroup | None:
        directories = {
            name: directory
            for name, hierarchy in self._v1.items()
            if name in paths and (directory := hierarchy.directory(paths[name])) is not None
        }
        unified = self._v2.directory(paths[""]) if self._v2 is not None and "" in paths else None
        if "memory" in directories or "cpuacct" in directories:
            return cgroup_v1.CgroupV1(
                cpuacct=directories.get("cpuacct"),
                memory=directories.get("memory"),
                pids=directories.get("pids"),
                unified=unified,
            )
        return cgroup_v2.CgroupV2(unified) if unified is not None else None


def _of_container(path: str, container_id: str) -> str:
    end = path.find("/", path.index(container_id))
    return path if end < 0 else path[:end]
