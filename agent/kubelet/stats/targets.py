"""Tells `agent.stats` whose usage to read: the pods that have a running sandbox, with what of them is where. No I/O.

Used by the kubelet.
"""

from collections.abc import Callable
from pathlib import Path

from lightkube.models.core_v1 import Pod, Volume

from agent.kubelet.labels import CONTAINER_NAME, identity_of
from agent.kubelet.pleg import Pleg
from agent.kubelet.pod.directory import PodDirectory
from agent.kubelet.pods import spec_of
from agent.runtime.spec import ContainerState
from agent.stats.targets import ContainerTarget, PodTarget, VolumeTarget


class StatsTargets:
    """`pod_of`: a pod's manifest by uid, None when it is lost. `engine_root`: where the engine keeps containers, or ""."""

    def __init__(self, *, pleg: Pleg, root: Path, pod_of: Callable[[str], Pod | None], engine_root: Callable[[], str]) -> None:
        self._pleg = pleg
        self._root = root
        self._pod_of = pod_of
        self._engine_root = engine_root

    def __call__(self) -> list[PodTarget]:
        return [target for uid in self._pleg.pods() if (target := self._target(uid)) is not None]

    def _target(self, uid: str) -> PodTarget | None:
        observed = self._pleg.observation(uid)
        sandbox = observed.sandbox
        if sandbox is None:
            return None
        who, pod = identity_of(sandbox), self._pod_of(uid)
        return PodTarget(
            namespace=who.namespace,
            name=who.name,
            uid=uid,
            started_at=_started(sandbox),
            sandbox=self._container(sandbox),
            containers=tuple(sorted(map(self._container, observed.running()), key=lambda one: one.name)),
            volumes_root=PodDirectory.of(self._root, uid).volumes,
            volumes=tuple(_volume(who.name, one) for one in spec_of(pod).volumes or ()) if pod is not None else (),
            host_network=bool(spec_of(pod).hostNetwork) if pod is not None else not sandbox.ips,
        )

    def _container(self, state: ContainerState) -> ContainerTarget:
        root = self._engine_root()
        return ContainerTarget(
            name=state.labels.get(CONTAINER_NAME, ""),
            id=state.id,
            pid=state.pid,
            started_at=_started(state),
            logs=Path(root) / "containers" / state.id if root and not state.is_sandbox else None,
        )


def _started(state: ContainerState) -> float:
    return (state.started_at or state.created_at).timestamp()


def _volume(pod: str, volume: Volume) -> VolumeTarget:
    claim = volume.persistentVolumeClaim.claimName if volume.persistentVolumeClaim is not None else ""
    if volume.ephemeral is not None:
        claim = f"{pod}-{volume.name}"  # its own claim's name
    return VolumeTarget(volume.name, claim=claim, ephemeral=_is_local_ephemeral(volume))


def _is_local_ephemeral(volume: Volume) -> bool:
    """What counts as the pod's ephemeral storage: kubelet's IsLocalEphemeralVolume."""
    if volume.emptyDir is not None:
        return volume.emptyDir.medium in (None, "")
    return volume.configMap is not None or volume.gitRepo is not None
