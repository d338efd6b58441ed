"""From a pod's volume to what is mounted for it: claims are followed to the PersistentVolume that they are bound to.

Pure look-ups over the desired state; messages are those of kubelet's desired state populator. Binding is the master's.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lightkube.models.core_v1 import PersistentVolumeSpec, Pod, Volume
from lightkube.resources.core_v1 import PersistentVolumeClaim

from agent.volumes.protocol import VolumeNotProcessed
from agent.volumes.references import References
from proto.k8s.claims import ephemeral_claim_name


@dataclass(frozen=True, slots=True)
class VolumeSource:
    """What to mount. `volume` has the name that events show: of a PersistentVolume its own.

    persistent: set behind a claim; what it has in common with core/v1 Volume stands in `volume` as well.
    """

    volume: Volume
    persistent: PersistentVolumeSpec | None = None
    read_only: bool = False


def resolve(pod: Pod, volume: Volume, references: References, *, in_use: Callable[[], bool]) -> VolumeSource:
    """in_use(): the pod has had the volume: what becomes of the claim does not matter then. Raises VolumeNotProcessed."""
    asked = volume.persistentVolumeClaim
    if asked is not None:
        return _claimed(pod, volume, references, asked.claimName, read_only=bool(asked.readOnly), in_use=in_use)
    if volume.ephemeral is not None:
        assert pod.metadata is not None
        name = ephemeral_claim_name(pod.metadata.name or "", volume.name)
        claim = references.claim(name)
        if claim is not None and not _controls(pod, claim):
            raise VolumeNotProcessed(
                f"PVC {references.namespace}/{name} was not created for pod {references.namespace}/{pod.metadata.name} "
                "(pod is not owner)"
            )
        return _claimed(pod, volume, references, name, read_only=False, in_use=in_use)
    return VolumeSource(volume)


def _claimed(
    pod: Pod, volume: Volume, references: References, name: str, *, read_only: bool, in_use: Callable[[], bool]
) -> VolumeSource:
    where = f"error processing PVC {references.namespace}/{name}"
    claim = references.claim(name)
    if claim is None or claim.metadata is None:
        raise VolumeNotProcessed(f'{where}: failed to fetch PVC from API server: persistentvolumeclaims "{name}" not found')
    if claim.metadata.deletionTimestamp is not None and not in_use():
        raise VolumeNotProcessed(f"{where}: PVC is being deleted")
    if (claim.status is None or claim.status.phase != "Bound") and not in_use():
        raise VolumeNotProcessed(f"{where}: PVC is not bound")
    bound = claim.spec.volumeName if claim.spec is not None else None
    if not bound:
        raise VolumeNotProcessed(f"{where}: PVC has empty pvc.Spec.VolumeName")
    found = references.desired.persistent_volumes.get(bound)
    if found is None or found.spec is None:
        raise VolumeNotProcessed(f'{where}: failed to fetch PV {bound} from API server: persistentvolumes "{bound}" not found')
    owner = found.spec.claimRef
    if owner is None:
        raise VolumeNotProcessed(
            f"{where}: found PV object {bound} but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim"
        )
    if owner.uid != claim.metadata.uid:
        raise VolumeNotProcessed(
            f"{where}: found PV object {bound} but its pv.Spec.ClaimRef.UID {owner.uid} does not point to claim.UID "
            f"{claim.metadata.uid}"
        )
    _check_mode(pod, volume.name, found.spec.volumeMode or "Filesystem")
    shared = Volume(name=bound, hostPath=found.spec.hostPath, nfs=found.spec.nfs)
    return VolumeSource(shared, found.spec, read_only)


def _check_mode(pod: Pod, name: str, mode: str) -> None:
    spec = pod.spec
    assert spec is not None
    containers = (*spec.containers, *(spec.initContainers or ()))
    if mode != "Filesystem" and any(mount.name == name for one in containers for mount in one.volumeMounts or ()):
        raise VolumeNotProcessed(f"volume {name} has volumeMode {mode}, but is specified in volumeMounts")
    if mode != "Block" and any(device.name == name for one in containers for device in one.volumeDevices or ()):
        raise VolumeNotProcessed(f"volume {name} has volumeMode {mode}, but is specified in volumeDevices")


def _controls(pod: Pod, claim: PersistentVolumeClaim) -> bool:
    uid = pod.metadata.uid if pod.metadata is not None else None
    owners = (claim.metadata.ownerReferences if claim.metadata is not None else None) or ()
    return any(owner.controller and owner.uid == uid for owner in owners)
