"""Whose usage is to be read: what the kubelet tells about the pods that run on this node."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ContainerTarget:
    """A running container. `started_at`: seconds since the epoch. `pid`: its first process. `logs`: its log's directory."""

    name: str
    id: str
    pid: int
    started_at: float
    logs: Path | None = None


@dataclass(frozen=True, slots=True)
class VolumeTarget:
    """A volume of a pod. `claim`: its PersistentVolumeClaim's name. `ephemeral`: local storage that ends with the pod."""

    name: str
    claim: str = ""
    ephemeral: bool = False


@dataclass(frozen=True, slots=True)
class PodTarget:
    """A pod with a running sandbox, since `started_at` (seconds since the epoch).

    `volumes_root`: the directory that has one for each volume type and in it one for each volume, as kubelet's.
    """

    namespace: str
    name: str
    uid: str
    started_at: float
    sandbox: ContainerTarget
    containers: tuple[ContainerTarget, ...]
    volumes_root: Path
    volumes: tuple[VolumeTarget, ...] = ()
    host_network: bool = False
