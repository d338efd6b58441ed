"""What a volume type is: one file in this folder that sets PLUGIN. Called by the kubelet on a worker thread.

A plugin makes a volume's content appear at a host path, and does so again when asked (a changed ConfigMap, a restarted
agent): `set_up` is idempotent and never empties a volume that holds a pod's data. Tearing down is one for all types, since
it must work for a pod whose manifest is lost: see `agent.volumes.tear_down`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lightkube.models.core_v1 import PersistentVolumeSpec, Pod, Volume

from agent.volumes.references import References


class MountFailed(Exception):
    """The volume cannot be set up now; in the event the message follows `<stage> for volume "v" : `."""

    def __init__(self, message: str, *, stage: str = "MountVolume.SetUp failed") -> None:
        super().__init__(message)
        self.stage = stage


class VolumeNotProcessed(Exception):
    """It is not even known what to set up: a claim that is not bound, a type without a plugin.

    The message ends `Unable to attach or mount volumes: … failed to process volumes=[v]: `.
    """


@dataclass(frozen=True, slots=True)
class Prepared:
    """A volume that is ready: where on this host, and whether no container may write to it.

    remote: it is another host's, and to look at it may take for ever.
    """

    path: Path
    read_only: bool = False
    remote: bool = False


@dataclass(frozen=True, slots=True)
class VolumeContext:
    """One volume of one pod. `directory` is its own on this host (not yet made). allocatable: the node's, by resource.

    persistent: the spec of the PersistentVolume that is behind a claim; `volume` then has what both kinds of source share.
    read_only: asked for by the claim's use in the pod.
    """

    pod: Pod
    volume: Volume
    directory: Path
    references: References
    allocatable: Mapping[str, str]
    persistent: PersistentVolumeSpec | None = None
    read_only: bool = False

    @property
    def fs_group(self) -> int | None:
        spec = self.pod.spec
        assert spec is not None
        return spec.securityContext.fsGroup if spec.securityContext is not None else None

    @property
    def fs_group_change_policy(self) -> str:
        """Always or OnRootMismatch."""
        spec = self.pod.spec
        assert spec is not None
        return (spec.securityContext.fsGroupChangePolicy if spec.securityContext is not None else None) or "Always"


class VolumePlugin(Protocol):
    #: The field of core/v1 Volume, or of PersistentVolumeSpec, that asks for this type.
    source: str
    #: Whether its content follows objects of the API and is set up again when they change.
    live: bool

    def set_up(self, context: VolumeContext) -> Prepared:
        """Raises MountFailed, ObjectMissing, OSError."""
        ...
