"""From a claim to what is mounted, and kubelet's words where that is not possible."""

from typing import Any

import msgspec
import pytest
from lightkube.models.core_v1 import Pod, Volume
from lightkube.resources.core_v1 import PersistentVolume, PersistentVolumeClaim

from agent.desired import DesiredState
from agent.volumes.claims import VolumeSource, resolve
from agent.volumes.protocol import MountFailed, VolumeNotProcessed
from agent.volumes.references import References
from agent.volumes.registry import plugin_for
from tests.unit.agent.kubelet.pod_world import pod

CLAIM: dict[str, Any] = {
    "metadata": {"name": "c", "namespace": "default", "uid": "claim-uid"},
    "spec": {"volumeName": "pv"},
    "status": {"phase": "Bound"},
}
PV: dict[str, Any] = {
    "metadata": {"name": "pv"},
    "spec": {"claimRef": {"uid": "claim-uid"}, "local": {"path": "/srv"}, "mountOptions": ["soft"]},
}


def world(claim: dict[str, Any] | None = CLAIM, volume: dict[str, Any] | None = PV, name: str = "c") -> References:
    desired = DesiredState()
    if claim is not None:
        desired.claims["default", name] = msgspec.convert(claim, PersistentVolumeClaim)
    if volume is not None:
        desired.persistent_volumes["pv"] = msgspec.convert(volume, PersistentVolume)
    return References(desired, "default")


def found(
    references: References,
    source: dict[str, Any] | None = None,
    made_for: Pod | None = None,
    *,
    in_use: bool = False,
) -> VolumeSource:
    asked = msgspec.convert({"name": "v", **(source or {"persistentVolumeClaim": {"claimName": "c"}})}, Volume)
    return resolve(made_for or pod(), asked, references, in_use=lambda: in_use)


def test_a_bound_claim_leads_to_its_volume() -> None:
    source = found(world(), {"persistentVolumeClaim": {"claimName": "c", "readOnly": True}})
    assert (source.volume.name, source.read_only) == ("pv", True)
    assert source.persistent is not None
    assert plugin_for(source.volume, source.persistent).source == "local"


def test_what_is_no_claim_stays_what_it_is() -> None:
    source = found(world(), {"emptyDir": {}})
    assert (source.volume.name, source.persistent) == ("v", None)


@pytest.mark.parametrize(
    ("claim", "volume", "why"),
    [
        (None, PV, 'failed to fetch PVC from API server: persistentvolumeclaims "c" not found'),
        (CLAIM | {"status": {"phase": "Pending"}}, PV, "PVC is not bound"),
        (CLAIM | {"spec": {}}, PV, "PVC has empty pvc.Spec.VolumeName"),
        (
            CLAIM | {"metadata": CLAIM["metadata"] | {"deletionTimestamp": "2026-11-20T12:00:00Z"}},
            PV,
            "PVC is being deleted",
        ),
        (CLAIM, None, 'failed to fetch PV pv from API server: persistentvolumes "pv" not found'),
        (
            CLAIM,
            PV | {"spec": {"local": {"path": "/srv"}}},
            "found PV object pv but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim",
        ),
        (
            CLAIM,
            PV | {"spec": {"local": {"path": "/srv"}, "claimRef": {"uid": "other"}}},
            "found PV object pv but its pv.Spec.ClaimRef.UID other does not point to claim.UID claim-uid",
        ),
    ],
)
def test_a_claim_that_leads_nowhere_says_why(claim: dict[str, Any] | None, volume: dict[str, Any] | None, why: str) -> None:
    with pytest.raises(VolumeNotProcessed) as caught:
        found(world(claim, volume))
    assert str(caught.value) == f"error processing PVC default/c: {why}"


@pytest.mark.parametrize(
    "claim",
    [
        CLAIM | {"status": {"phase": "Lost"}},
        CLAIM | {"metadata": CLAIM["metadata"] | {"deletionTimestamp": "2026-11-20T12:00:00Z"}},
    ],
)
def test_a_pod_that_has_its_volume_keeps_it_whatever_becomes_of_the_claim(claim: dict[str, Any]) -> None:
    assert found(world(claim), in_use=True).volume.name == "pv"


def test_an_ephemeral_volume_takes_only_the_claim_that_was_made_for_its_pod() -> None:
    source: dict[str, Any] = {"ephemeral": {"volumeClaimTemplate": {"spec": {}}}}
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": "u1", "controller": True}
    metadata = CLAIM["metadata"] | {"name": "web-v", "ownerReferences": [owner]}
    assert found(world(CLAIM | {"metadata": metadata}, name="web-v"), source).volume.name == "pv"
    with pytest.raises(
        VolumeNotProcessed, match=r"PVC default/web-v was not created for pod default/web \(pod is not owner\)"
    ):
        found(world(name="web-v"), source)


def test_a_claim_is_used_as_its_volume_is() -> None:
    mounted = pod({"volumeMounts": [{"name": "v", "mountPath": "/v"}]})
    device = pod({"volumeDevices": [{"name": "v", "devicePath": "/dev/v"}]})
    block = PV | {"spec": PV["spec"] | {"volumeMode": "Block"}}
    assert found(world(), made_for=mounted).volume.name == "pv"
    with pytest.raises(VolumeNotProcessed, match="volume v has volumeMode Block, but is specified in volumeMounts"):
        found(world(volume=block), made_for=mounted)
    with pytest.raises(VolumeNotProcessed, match="volume v has volumeMode Filesystem, but is specified in volumeDevices"):
        found(world(), made_for=device)


def test_types_without_a_plugin_are_refused_in_kubernetes_words() -> None:
    def volume(**source: Any) -> Volume:
        return msgspec.convert({"name": "v", **source}, Volume)

    gone: dict[str, Any]
    for gone in ({"rbd": {"monitors": ["m"], "image": "i"}}, {"glusterfs": {"endpoints": "e", "path": "p"}}, {"image": {}}):
        with pytest.raises(VolumeNotProcessed) as caught:
            plugin_for(volume(**gone))
        assert str(caught.value) == 'failed to get Plugin from volumeSpec for volume "v" err=no volume plugin matched'
    with pytest.raises(MountFailed) as migrated:
        plugin_for(volume(awsElasticBlockStore={"volumeID": "x"}))
    assert str(migrated.value).endswith("driver name ebs.csi.aws.com not found in the list of registered CSI drivers")
    assert plugin_for(volume()).source == "emptyDir"
