"""Where a pod's things are on this host, under the agent's root. The only place that knows these paths."""

from dataclasses import dataclass
from pathlib import Path

from lightkube.models.core_v1 import Volume

from agent.volumes.protocol import VolumePlugin


@dataclass(frozen=True, slots=True)
class PodDirectory:
    """root/pods/<uid>, in kubelet's layout where it has one."""

    path: Path

    @classmethod
    def of(cls, root: Path, uid: str) -> "PodDirectory":
        return cls(root / "pods" / uid)

    @property
    def record(self) -> Path:
        return self.path / "record.json"

    @property
    def hosts(self) -> Path:
        return self.path / "etc-hosts"

    @property
    def resolver(self) -> Path:
        return self.path / "resolv.conf"

    @property
    def volumes(self) -> Path:
        return self.path / "volumes"

    def volume(self, volume: Volume, plugin: VolumePlugin) -> Path:
        return self.volumes / f"kubernetes.io~{plugin.source.lower()}" / volume.name

    def subpath(self, volume: str, container: str, index: int) -> Path:
        return self.path / "volume-subpaths" / volume / container / str(index)

    def termination_message(self, container: str, restarts: int) -> Path:
        return self.path / "containers" / container / str(restarts)
