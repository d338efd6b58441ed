"""Watches the folder of static pods' manifests. Run by the kubelet.

A look is one directory listing and a stat of each file; a file is read when it is new or different, so a look writes nothing,
not even access times. Polling, not inotify: it works on every file system and has no state to lose.

A file that is gone ends its pod: that is the operator's order. A folder that cannot be read (not mounted yet, no permission)
orders nothing, and neither does a file that is broken (half written): what runs goes on.
"""

import asyncio
import logging
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from lightkube.models.core_v1 import Pod

from agent.kubelet.labels import identity
from agent.kubelet.static_pods.manifest import MAX_BYTES, InvalidManifest, static_pod
from agent.reporter import Reporter

log = logging.getLogger(__name__)

#: Manifests that are looked at; more is a mistake.
_MAX_FILES = 500

#: What tells that a file was written: device, inode, size, time of its last change in nanoseconds.
_Mark = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _File:
    """As read last: its pod (while it is broken, that of before) and what is wrong."""

    mark: _Mark
    pod: Pod | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Look:
    """files: None when the folder cannot be read."""

    files: Mapping[str, _File] | None
    problem: str = ""


@dataclass(slots=True)
class StaticPods:
    """`pods` by uid. on_change is called with the uids that came or went, after `pods` has them. path: "" for no folder."""

    path: str
    node: str
    period: float
    reporter: Reporter
    on_change: Callable[[frozenset[str]], None]
    pods: dict[str, Pod] = field(default_factory=dict)
    #: Whether the folder has been read in this run, and whether all that is in it could be: before that, containers of a
    #: static pod that is not in `pods` may be those of a file that is broken now.
    ready: bool = False
    complete: bool = False
    _files: dict[str, _File] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)

    async def run(self) -> None:
        if not self.path:
            self.ready = self.complete = True
            return
        while True:
            await self.look()
            await asyncio.sleep(self.period)

    async def look(self) -> None:
        """Look once and tell what changed."""
        seen = await asyncio.to_thread(_look, Path(self.path), dict(self._files), self.node)
        self._tell("", seen.problem)
        if seen.files is None:
            self.complete = False
            return
        self._files = dict(seen.files)
        pods: dict[str, Pod] = {}
        owners: dict[tuple[str, str], str] = {}
        for name in sorted(self._files):
            one = self._files[name]
            problem = one.problem
            if one.pod is not None:
                who = identity(one.pod)
                owner = owners.setdefault((who.namespace, who.name), name)
                if owner == name:
                    pods[who.uid] = one.pod
                else:
                    problem = f"another manifest, {owner}, has the same name {who.namespace}/{who.name}"
            self._tell(name, problem)
        for name in self._told.keys() - self._files.keys() - {""}:
            del self._told[name]
        changed = frozenset(self.pods.keys() ^ pods.keys())
        self.pods, self.ready, self.complete = pods, True, not any(one.problem for one in self._files.values())
        if changed:
            log.info("static pods changed", extra={"folder": self.path, "pods": len(pods)})
            self.on_change(changed)

    def _tell(self, name: str, problem: str) -> None:
        """Say what is wrong with a manifest (or the folder) when that is news."""
        if self._told.get(name, "") == problem:
            return
        self._told[name] = problem
        if problem:
            where = os.path.join(self.path, name) if name else self.path
            log.warning("a static pod cannot be made: %s", problem, extra={"file": where})
            self.reporter.event(None, "Warning", "FailedValidation", f"Static pod {where}: {problem}")


def _look(folder: Path, known: Mapping[str, _File], node: str) -> _Look:
    files: dict[str, _File] = {}
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        return _Look(None, f"the folder cannot be read: {error.strerror}")
    for name in names[:_MAX_FILES]:
        path = folder / name
        try:
            status = path.stat()
        except OSError:
            continue  # gone meanwhile, or a link to nowhere
        if stat.S_ISDIR(status.st_mode):
            continue
        mark = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        before = known.get(name)
        if before is not None and before.mark == mark:
            files[name] = before
        else:
            read = _read(path, mark, regular=stat.S_ISREG(status.st_mode), node=node)
            files[name] = replace(read, pod=before.pod) if read.problem and before is not None else read
    return _Look(files, f"there are {len(names)} manifests, more than {_MAX_FILES}" if len(names) > _MAX_FILES else "")


def _read(path: Path, mark: _Mark, *, regular: bool, node: str) -> _File:
    if not regular:
        return _File(mark, problem="not a regular file")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        return _File(mark, pod=static_pod(content, file=str(path), node=node, seen=datetime.now(UTC)))
    except OSError as error:
        # Marked so that it is tried again at the next look.
        return _File((0, 0, 0, 0), problem=f"cannot be read: {error.strerror}")
    except InvalidManifest as error:
        return _File(mark, problem=str(error))
