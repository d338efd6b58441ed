"""What is available on the host, as kubelet reckons it. Blocking but instant; read by the eviction manager.

memory.available is the capacity without the root control group's working set: page cache that nobody used lately counts as
available. nodefs is the file system of pods' volumes and files, imagefs the engine's.
https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#eviction-signals
"""

import os
from collections.abc import Callable
from pathlib import Path

from agent.kubelet.eviction.pressure import Observation, Observations
from agent.kubelet.node.machine import disk
from agent.stats.cgroup import Cgroups
from agent.stats.host import Host


class HostSignals:
    """root: a directory on nodefs. image_root: the engine's; None while that is not known."""

    def __init__(self, *, root: Path, image_root: Callable[[], Path | None]) -> None:
        self._root = root
        self._image_root = image_root
        self._host: Host | None = None

    def observe(self) -> Observations:
        found: dict[str, Observation] = {}
        if self._host is None:
            self._host = Host(Cgroups())
        memory = self._host.usage().memory
        if memory is not None and memory.limit is not None:
            found["memory.available"] = Observation(max(0, memory.limit - memory.working_set), memory.limit)
        image_root = self._image_root()
        for name, path in (("nodefs", self._root), ("imagefs", image_root)):
            if path is None:
                continue
            space = disk(path)
            if space.size:
                found[f"{name}.available"] = Observation(space.available, space.size)
            if space.inodes:
                found[f"{name}.inodesFree"] = Observation(space.inodes_free, space.inodes)
        running = self._host.processes()
        if running is not None:
            found["pid.available"] = Observation(max(0, running.highest - running.running), running.highest)
        return found

    @property
    def dedicated_image_fs(self) -> bool:
        image_root = self._image_root()
        if image_root is None:
            return False
        try:
            return os.stat(image_root).st_dev != os.stat(self._root).st_dev
        except OSError:
            return False
