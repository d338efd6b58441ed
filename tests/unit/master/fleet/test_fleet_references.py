import msgspec
import pytest
from lightkube.resources.core_v1 import PersistentVolume, PersistentVolumeClaim, Pod

from master.fleet.references import references
from master.fleet.trim import trim

_SPEC = {
    "runtimeClassName": "sandboxed",
    "imagePullSecrets": [{"name": "pull"}],
    "volumes": [
        {"name": "a", "configMap": {"name": "volume"}},
        {"name": "b", "secret": {"secretName": "volume"}},
        {"name": "c", "projected": {"sources": [{"configMap": {"name": "projected"}}, {"secret": {"name": "projected"}}]}},
        {"name": "d", "emptyDir": {}},
        {"name": "e", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "f", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
    ],
    "initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "init"}}]}],
    "containers": [
        {
            "name": "c",
            "envFrom": [{"configMapRef": {"name": "all"}}],
            "env": [
                {"name": "A", "value": "plain"},
                {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "key", "key": "k"}}},
                {"name": "C", "valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}},
                {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ],
        }
    ],
}


def _pod(**status: object) -> Pod:
    metadata = {
        "name": "p",
        "namespace": "ns",
        "uid": "u",
        "resourceVersion": "5",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        "managedFields": [{"manager": "kubectl"}],
    }
    return msgspec.convert({"metadata": metadata, "spec": _SPEC, "status": status}, Pod)


def test_every_way_to_refer_is_found() -> None:
    assert {str(found) for found in references(_pod())} == {
        "secrets/ns/pull", "configmaps/ns/volume", "secrets/ns/volume", "configmaps/ns/projected", "secrets/ns/projected",
        "secrets/ns/init", "configmaps/ns/all", "configmaps/ns/key", "secrets/ns/key",
        "persistentvolumeclaims/ns/data", "persistentvolumeclaims/ns/p-f", "runtimeclasses//sandboxed",
    }  # fmt: skip


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_an_ended_pod_needs_nothing(phase: str) -> None:
    assert references(_pod(phase=phase)) == frozenset()


def test_a_pods_order_carries_no_status_but_that_it_has_ended() -> None:
    running = trim("pods", _pod(phase="Running", qosClass="Burstable", podIP="10.0.0.1"))
    assert running["status"] == {"qosClass": "Burstable"}
    assert "resourceVersion" not in running["metadata"]
    assert "managedFields" not in running["metadata"]
    assert trim("pods", _pod(phase="Failed"))["status"] == {"phase": "Failed"}


def test_a_manifest_is_kept_where_a_pod_can_read_it_and_dropped_elsewhere() -> None:
    assert trim("pods", _pod())["metadata"]["annotations"]
    assert not trim("secrets", _pod())["metadata"]["annotations"]


def test_of_a_claim_its_node_learns_whether_it_is_bound() -> None:
    metadata = {"name": "c", "namespace": "ns", "uid": "u", "resourceVersion": "5"}
    claim = {"metadata": metadata, "spec": {"volumeName": "v"}, "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
    assert trim("persistentvolumeclaims", msgspec.convert(claim, PersistentVolumeClaim))["status"] == {"phase": "Bound"}
    assert "status" not in trim("persistentvolumes", msgspec.convert(claim, PersistentVolume))
