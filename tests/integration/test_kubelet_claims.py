"""Pods whose volumes are claims, on a real kubelet: they wait for what is missing and then have it."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lightkube.resources.core_v1 import PersistentVolume, PersistentVolumeClaim

from agent.desired import Change
from agent.volumes.mounts import mounts_below
from agent.volumes.protocol import Prepared, VolumeContext
from agent.volumes.secret import SecretVolume
from tests.integration.kubelet_node import Json, Node, kubelet_node

pytestmark = [pytest.mark.docker, pytest.mark.root]

FOREVER = ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait; done"]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with kubelet_node(tmp_path / "kubelet") as made:
        yield made


def claim(node: Node, name: str, *, volume: str = "", **metadata: Any) -> None:
    """Bound when it names a volume."""
    value = {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", **metadata},
        "spec": {"volumeName": volume},
        "status": {"phase": "Bound" if volume else "Pending"},
    }
    node.desired.claims["default", name] = msgspec.convert(value, PersistentVolumeClaim)
    node.desired.tell(Change("persistentvolumeclaims", "default", name))


def volume(node: Node, name: str, claimed_by: str, **spec: Any) -> None:
    value = {"metadata": {"name": name}, "spec": {"claimRef": {"name": claimed_by, "uid": f"uid-{claimed_by}"}, **spec}}
    node.desired.persistent_volumes[name] = msgspec.convert(value, PersistentVolume)
    node.desired.tell(Change("persistentvolumes", "", name))


def user(node: Node, name: str, *claims: str, command: list[str] = FOREVER, **spec: Any) -> Json:
    volumes = [{"name": one, "persistentVolumeClaim": {"claimName": one}} for one in claims]
    mounts = [{"name": one, "mountPath": f"/{one}"} for one in claims]
    return node.pod(name, {"command": command, "volumeMounts": mounts}, volumes=volumes, **spec)


async def test_a_pod_waits_until_its_claims_are_bound_and_their_paths_are_there(node: Node, tmp_path: Path) -> None:
    host, local = tmp_path / "host", tmp_path / "local"
    manifest = user(node, "waits", "a", "b", securityContext={"fsGroup": 4321})
    node.order(manifest)
    unbound = (
        "Unable to attach or mount volumes: unmounted volumes=[a b], unattached volumes=[], failed to process volumes=[a b]: "
        'error processing PVC default/a: failed to fetch PVC from API server: persistentvolumeclaims "a" not found; '
        "error processing PVC default/b: "
    )
    await node.until(lambda: any(one.startswith(unbound) for one in node.reports.messages("waits", "FailedMount")))
    claim(node, "a")
    await node.until(
        lambda: any("PVC default/a: PVC is not bound" in one for one in node.reports.messages("waits", "FailedMount"))
    )
    assert node.reports.last("waits")["containerStatuses"][0]["state"]["waiting"]["reason"] == "ContainerCreating"

    volume(node, "pv-a", "a", hostPath={"path": str(host), "type": "DirectoryOrCreate"})
    volume(node, "pv-b", "b", local={"path": str(local)})
    claim(node, "a", volume="pv-a")
    claim(node, "b", volume="pv-b")
    missing = f'MountVolume.NewMounter initialization failed for volume "pv-b" : path "{local}" does not exist'
    await node.until(lambda: missing in node.reports.messages("waits", "FailedMount"))
    local.mkdir()
    (local / "file").touch()
    await node.until_ready("waits", timeout=30)
    assert (local / "file").stat().st_gid == 4321
    assert host.is_dir()
    assert host.stat().st_gid != 4321, "a host path's owner was changed"
    output, _, _ = await node.stream("exec", manifest, command=["sh", "-c", "echo x > /a/new; echo y > /b/new; id -G"])
    assert b"4321" in output
    assert (host / "new").read_text() == "x\n"
    assert (local / "new").stat().st_gid == 4321

    # The claim is on its way out, and the local path too: the pod keeps what it has, also over restarts of both.
    claim(node, "b", volume="pv-b", deletionTimestamp="2026-11-20T12:00:00Z")
    local.rename(tmp_path / "moved")
    await node.stop()
    await node.start()
    await node.until(lambda: any(one["status"].get("phase") == "Running" for one in node.kubelet.pod_list()["items"]))
    await node.stream("exec", manifest, command=["sh", "-c", "kill 1"])
    await node.until(lambda: node.reports.last("waits")["containerStatuses"][0]["restartCount"] == 1)
    await node.until_ready("waits")
    output, _, _ = await node.stream("exec", manifest, command=["cat", "/b/new"])
    assert output == b"y\n"
    node.remove(manifest)
    await node.until(lambda: "waits" in node.reports.terminated)
    assert not mounts_below(node.root / "pods")
    assert (tmp_path / "moved/new").read_text() == "y\n"
    assert (host / "new").exists()


async def test_read_only_claims_and_other_types_are_as_kubernetes_says(node: Node, tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.mkdir()
    (local / "file").write_text("kept")
    os.chmod(local, 0o777)
    volume(node, "pv", "data", local={"path": str(local)})
    claim(node, "data", volume="pv")
    manifest = user(node, "reader", "data", command=["/bin/sh", "-c", "echo x > /data/new || cat /data/file; sleep 3600"])
    manifest["spec"]["volumes"][0]["persistentVolumeClaim"]["readOnly"] = True
    node.order(manifest)
    await node.until_ready("reader")
    assert sorted(one.name for one in local.iterdir()) == ["file"]

    others: dict[str, Json] = {
        "inline": {"csi": {"driver": "csi.example.com"}},
        "nas": {"nfs": {"server": "192.0.2.9", "path": "/export"}},
        "gone": {"cephfs": {"monitors": ["m"]}},
        "elastic": {"awsElasticBlockStore": {"volumeID": "x"}},
    }
    for name, source in others.items():
        mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
        node.order(node.pod(name, {"command": FOREVER, **mount}, volumes=[{"name": "v", **source}]))
    expected = {
        "inline": 'MountVolume.SetUp failed for volume "v" : kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: '
        "driver name csi.example.com not found in the list of registered CSI drivers",
        "gone": "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process "
        'volumes=[v]: failed to get Plugin from volumeSpec for volume "v" err=no volume plugin matched',
        "elastic": 'MountVolume.SetUp failed for volume "v" : kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: '
        "driver name ebs.csi.aws.com not found in the list of registered CSI drivers",
    }
    for name, text in expected.items():
        await node.until(lambda name=name, text=text: text in node.reports.messages(name, "FailedMount"))  # type: ignore[misc]
    # No kernel client or no helper here: what the host's mount says of it is told; the others were not held up.
    directory = node.root / "pods" / f"{node.mark}-nas" / "volumes/kubernetes.io~nfs/v"
    command = f"Mounting command: mount\nMounting arguments: -t nfs 192.0.2.9:/export {directory}\nOutput: "
    await node.until(lambda: any(command in one for one in node.reports.messages("nas", "FailedMount")))


async def test_a_pod_that_ends_while_its_volumes_are_made_leaves_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()
    make = SecretVolume.set_up

    def slowly(self: SecretVolume, context: VolumeContext) -> Prepared:
        begun.set()
        time.sleep(1.5)
        return make(self, context)

    monkeypatch.setattr(SecretVolume, "set_up", slowly)
    node.secret("s", {"key": "dmFsdWU="})
    mount: Json = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    manifest = node.pod("brief", {"command": FOREVER, **mount}, volumes=[{"name": "v", "secret": {"secretName": "s"}}])
    node.order(manifest)
    await node.until(begun.is_set)
    node.remove(manifest)
    await node.until(lambda: "brief" in node.reports.terminated)
    await asyncio.sleep(2)
    assert list((node.root / "pods").iterdir()) == []
    assert not mounts_below(node.root / "pods")
