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

    def claimed(self, volume: Volume) -> Path:
        """Of a volume that a claim stands for, whatever its type."""
        return self.path / "volumes" / "kubernetes.io~persistentvolumeclaim" / volume.name / "mount"

    def claim_in_use(self, volume: Volume) -> Path:
        """Is there once the pod has had the volume. Beside it: to look at the volume itself may take for ever."""
        return self.claimed(volume).with_name("in-use")

    def subpath(self, volume: str, container: str, index: int) -> Path:
        return self.path / "volume-subpaths" / volume / container / str(index)

    def termination_message(self, container: str, restarts: int) -> Path:
        return self.path / "containers" / container / str(restarts)
