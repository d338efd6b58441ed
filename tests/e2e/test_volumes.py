"""Volumes through real kubectl on a cluster of one node: every type, in time, and nothing left behind."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.cluster import Cluster, Kubectl, eventually
from tests.cluster.manifests import manifest
from tests.e2e.pods import FOREVER, pod, run_in, sh, status, until_ready

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]

Json = dict[str, Any]
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
#: Seconds after which pods' tokens are replaced here.
MAX_AGE = 5.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(("one",), master_settings={"pod_token_max_age_seconds": MAX_AGE}) as made:
        yield made


@pytest.fixture
def kubectl(cluster: Cluster) -> Kubectl:
    return cluster.kubectl


def user(name: str, source: Json, script: str = FOREVER, **spec: Any) -> Json:
    """A pod with one volume, at /v."""
    return pod(name, sh(script, volumeMounts=[{"name": "v", "mountPath": "/v"}]), volumes=[{"name": "v", **source}], **spec)


async def until_told(kubectl: Kubectl, expected: dict[str, str]) -> None:
    """Until each pod has this FailedMount event."""

    async def check() -> None:
        events = (await kubectl.json("get", "events", "--field-selector", "reason=FailedMount"))["items"]
        told = {(event["involvedObject"]["name"], event["message"]) for event in events}
        assert not expected.items() - told, told

    await eventually(check, seconds=30)


async def test_every_type_of_host_path_is_checked_in_kubernetes_words(cluster: Cluster, kubectl: Kubectl) -> None:
    host = cluster.nodes["one"].host
    folder = host.folder / "paths"
    await asyncio.to_thread(folder.mkdir)
    await asyncio.to_thread((folder / "file").touch)
    good = {
        "any": (folder / "made-for-it", ""),
        "directory": (folder, "Directory"),
        "made": (folder / "new/deep", "DirectoryOrCreate"),
        "file": (folder / "file", "File"),
        "made-file": (folder / "new-file", "FileOrCreate"),
        "socket": (host.docker_socket, "Socket"),
        "device": (Path("/dev/null"), "CharDevice"),
    }
    volumes = [{"name": name, "hostPath": {"path": str(path), "type": kind}} for name, (path, kind) in good.items()]
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in good]
    script = f"test -d /any -a -d /made -a -f /made-file -a -S /socket -a -c /device && ls /directory; {FOREVER}"
    bad = {
        "no-directory": (folder / "file", "Directory", f"hostPath type check failed: {folder}/file is not a directory"),
        "no-made": (folder / "file", "DirectoryOrCreate", f"hostPath type check failed: {folder}/file is not a directory"),
        "no-file": (folder, "File", f"hostPath type check failed: {folder} is not a file"),
        "no-made-file": (folder / "x/y", "FileOrCreate", f"open {folder}/x/y: no such file or directory"),
        "no-socket": (folder / "file", "Socket", f"hostPath type check failed: {folder}/file is not a socket file"),
        "no-device": (folder, "CharDevice", f"hostPath type check failed: {folder} is not a character device"),
        "no-block": (Path("/dev/null"), "BlockDevice", "hostPath type check failed: /dev/null is not a block device"),
    }
    refused = [user(name, {"hostPath": {"path": str(path), "type": kind}}) for name, (path, kind, _) in bad.items()]
    await kubectl.apply(manifest(pod("paths", sh(script, volumeMounts=mounts), volumes=volumes), *refused))
    await until_ready(kubectl, "paths")
    assert (await kubectl("logs", "paths")).split() == ["file", "made-for-it", "new", "new-file"]
    await until_told(kubectl, {name: f'MountVolume.SetUp failed for volume "v" : {why}' for name, (_, _, why) in bad.items()})
    for name in bad:
        assert (await status(kubectl, name))["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    await kubectl("delete", "pod", "paths", *bad, "--wait=false")


async def test_objects_may_come_late_be_optional_change_and_lose_keys(kubectl: Kubectl) -> None:
    sources: Json = {
        "sources": [
            {"configMap": {"name": "late", "items": [{"key": "a", "path": "deep/er/a", "mode": 0o400}]}},
            {"configMap": {"name": "late"}},
            {"secret": {"name": "never", "optional": True}},
            {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        ],
        "defaultMode": 0o440,
    }
    late = user("late", {"projected": sources})
    needy = pod("needy", sh(FOREVER, envFrom=[{"configMapRef": {"name": "late"}}]))
    await kubectl.apply(manifest(late, needy))
    await until_told(kubectl, {"late": 'MountVolume.SetUp failed for volume "v" : configmap "late" not found'})

    async def waits() -> None:
        state = (await status(kubectl, "needy"))["containerStatuses"][0]["state"]
        assert state == {"waiting": {"reason": "CreateContainerConfigError", "message": 'configmap "late" not found'}}

    await eventually(waits, seconds=20)
    await kubectl("create", "configmap", "late", "--from-literal=a=1", "--from-literal=b=2")
    await until_ready(kubectl, "late", "needy")
    seen = await run_in(kubectl, "late", "cd /v; ls; cat a b deep/er/a; stat -L -c %a a deep/er/a; echo x > a || echo refused")
    assert seen.split() == ["a", "b", "deep", "labels", "121440", "400", "refused"]
    assert 'test="late"' in await run_in(kubectl, "late", "cat /v/labels")

    await kubectl("patch", "configmap", "late", "-p", '{"data":{"a":"changed","b":null,"c":"new"}}')
    await kubectl("label", "pod", "late", "more=yes")

    async def changed() -> None:
        found = await run_in(kubectl, "late", "cd /v; ls; cat a c deep/er/a; grep -c more labels")
        assert found.split() == ["a", "c", "deep", "labels", "changednewchanged1"]

    await eventually(changed, seconds=20)
    assert (await status(kubectl, "late"))["containerStatuses"][0]["restartCount"] == 0
    await kubectl("delete", "pod", "late", "needy", "--wait=false")


async def test_scratch_space_outlives_containers_and_is_as_large_as_allowed(kubectl: Kubectl) -> None:
    script = "echo run >> /disk/log; echo run >> /memory/log; test $(wc -l < /disk/log) = 2 || exit 1; " + FOREVER
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in ("disk", "memory")]
    volumes = [{"name": "disk", "emptyDir": {}}, {"name": "memory", "emptyDir": {"medium": "Memory"}}]
    main = sh(script, volumeMounts=mounts, resources={"limits": {"memory": "24Mi"}}, securityContext={"runAsUser": 1000})
    await kubectl.apply(manifest(pod("scratch", main, volumes=volumes, securityContext={"fsGroup": 3000})))

    async def restarted() -> None:
        assert (await status(kubectl, "scratch"))["containerStatuses"][0].get("restartCount") == 1

    await eventually(restarted, seconds=30)
    await until_ready(kubectl, "scratch")
    found = await run_in(
        kubectl, "scratch", "wc -l < /memory/log; stat -c '%a %g' /disk /memory /disk/log; df -m /memory | tail -1"
    )
    *modes, size = found.splitlines()
    assert modes == ["2", "2777 3000", "2777 3000", "644 3000"]
    assert size.split()[1] == "24"
    shown = (await status(kubectl, "scratch"))["containerStatuses"][0]["volumeMounts"]
    assert {"name": "memory", "mountPath": "/memory"} in shown
    await kubectl("delete", "pod", "scratch", "--wait=false")


async def test_a_claim_leads_to_its_volume_once_it_is_bound(cluster: Cluster, kubectl: Kubectl) -> None:
    folder = cluster.nodes["one"].host.folder / "disk"
    await asyncio.to_thread(folder.mkdir)
    claim: Json = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "", "volumeName": "disk",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }  # fmt: skip
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["one"]}]}]
    volume: Json = {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "disk"},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "local": {"path": str(folder)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
        },
    }  # fmt: skip
    writer = user("writer", {"persistentVolumeClaim": {"claimName": "data"}}, securityContext={"fsGroup": 3000})
    reader = user("reader", {"persistentVolumeClaim": {"claimName": "data", "readOnly": True}})
    await kubectl.apply(manifest(claim, {**writer, "spec": {**writer["spec"], "nodeName": "one"}}))
    unbound = (
        "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process volumes=[v]: "
        "error processing PVC default/data: PVC is not bound"
    )
    await until_told(kubectl, {"writer": unbound})
    uid = (await kubectl.json("get", "pvc", "data"))["metadata"]["uid"]
    reference = {"kind": "PersistentVolumeClaim", "namespace": "default", "name": "data", "uid": uid}
    await kubectl.apply(manifest({**volume, "spec": {**volume["spec"], "claimRef": reference}}))
    # As the volume controller will: binding belongs to it, mounting to the node.
    bound = ["--subresource=status", "--type=merge", "-p", '{"status":{"phase":"Bound"}}']
    current = cluster.kubectl_of("1.33")
    await current("patch", "pvc", "data", *bound)
    await until_ready(kubectl, "writer")
    await run_in(kubectl, "writer", "echo written > /v/file")
    await kubectl.apply(manifest({**reader, "spec": {**reader["spec"], "nodeName": "one"}}))
    await until_ready(kubectl, "reader")
    assert await run_in(kubectl, "reader", "cat /v/file; echo x 2>/dev/null > /v/file || echo refused") == "written\nrefused"
    assert await asyncio.to_thread(lambda: (folder / "file").stat().st_gid) == 3000
    await kubectl("delete", "pod", "writer", "reader")
    assert await asyncio.to_thread((folder / "file").read_text) == "written\n"


async def test_mounts_propagate_as_far_as_asked_and_go_with_the_pod(cluster: Cluster, kubectl: Kubectl) -> None:
    def sees(name: str, propagation: str) -> Json:
        mount = {"name": "v", "mountPath": "/v", "mountPropagation": propagation}
        return sh(FOREVER, name, volumeMounts=[mount])

    containers = [sees("follows", "HostToContainer"), sees("alone", "None")]
    recursive = user("recursive", {"emptyDir": {}})
    recursive["spec"]["containers"][0]["volumeMounts"][0] |= {"readOnly": True, "recursiveReadOnly": "Enabled"}
    await kubectl.apply(manifest(pod("propagates", *containers, volumes=[{"name": "v", "emptyDir": {}}]), recursive))
    await until_ready(kubectl, "propagates")
    data = cluster.nodes["one"].host.folder / "agent"
    uid = (await kubectl.json("get", "pod", "propagates"))["metadata"]["uid"]
    mounted = data / "kubelet/pods" / uid / "volumes/kubernetes.io~emptydir/v/m"
    await asyncio.to_thread(mounted.mkdir)
    # A mount that somebody makes on the host while the pod runs, and leaves there.
    await cluster.nodes["one"].host.run("mount", "-t", "tmpfs", "tmpfs", str(mounted))
    await asyncio.to_thread((mounted / "file").write_text, "inside")
    assert await run_in(kubectl, "propagates", "cat /v/m/file", "-c", "follows") == "inside"
    assert await run_in(kubectl, "propagates", "ls /v/m", "-c", "alone") == ""
    waiting = (await status(kubectl, "recursive"))["containerStatuses"][0]["state"]["waiting"]
    assert (waiting["reason"], waiting["message"]) == (
        "CreateContainerConfigError",
        'failed to resolve recursive read-only mode: volume "v" requested recursive read-only mode, but it is not supported '
        "by the runtime",
    )
    await kubectl("delete", "pod", "propagates", "recursive")

    async def gone() -> None:
        table = await asyncio.to_thread(Path("/proc/self/mountinfo").read_text)
        pods = [line for line in table.splitlines() if f" {data}/kubelet/pods/" in line]
        assert pods == []
        assert await asyncio.to_thread(lambda: list((data / "kubelet/pods").iterdir())) == []

    await eventually(gone, seconds=30)


async def test_tokens_are_renewed_closed_and_nowhere_but_in_memory(cluster: Cluster, kubectl: Kubectl) -> None:
    node = cluster.nodes["one"]
    main = sh(FOREVER, securityContext={"runAsUser": 1234})
    await kubectl.apply(manifest(pod("holder", main, securityContext={"runAsNonRoot": True})))
    await until_ready(kubectl, "holder")
    first = await run_in(kubectl, "holder", f"cat {TOKEN}")
    assert await run_in(kubectl, "holder", f"stat -L -c '%a %u' {TOKEN}; stat -f -c %T {TOKEN}") == "600 1234\ntmpfs"

    async def renewed() -> str:
        token = await run_in(kubectl, "holder", f"cat {TOKEN}")
        assert token != first
        return token

    second = await eventually(renewed, seconds=30)
    assert (await status(kubectl, "holder"))["containerStatuses"][0]["restartCount"] == 0
    inspected = await node.host.docker("inspect", *(await node.containers(everything=True)))
    # Their signatures, which nothing else has: not in the engine's records, the agent's folder, or any log, in any form.
    for token in (first, second):
        signature = token.rpartition(".")[2]
        assert signature not in inspected.stdout
        places = [node.host.folder / "agent", node.host.folder / "data" / "containers", node.agent.log, cluster.master.log]
        found = await node.host.run(
            "grep", "--recursive", "--files-with-matches", "--devices=skip", signature, *map(str, places), check=False
        )
        on_disk = [line for line in found.stdout.splitlines() if "/kubernetes.io~projected/" not in line]
        assert on_disk == []
    volume = json.loads(inspected.stdout)
    assert any("/kubernetes.io~projected/" in mount["Source"] for one in volume for mount in one["Mounts"])

    # Without its agent the pod keeps what it has; the agent finds it again and goes on with the newest.
    await node.agent.kill()
    assert await run_in_engine(cluster, f"cat {TOKEN}")
    await node.agent.start()
    await cluster.nodes_ready("one")

    async def goes_on() -> None:
        assert await run_in_engine(cluster, f"cat {TOKEN}") not in (first, second)

    await eventually(goes_on, seconds=30)
    assert (await status(kubectl, "holder"))["containerStatuses"][0]["restartCount"] == 0


async def run_in_engine(cluster: Cluster, script: str) -> str:
    """In the pod's container without any agent."""
    host = cluster.nodes["one"].host
    listed = await host.docker("ps", "-q", "--filter", "label=io.wherry.container.name=main")
    (container,) = listed.stdout.split()
    return (await host.docker("exec", container, "sh", "-c", script)).stdout
