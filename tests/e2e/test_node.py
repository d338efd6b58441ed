"""What Kubernetes promises of a node, through real kubectl on a cluster of one: static pods, drain, status, eviction.

The tests that make the node short of something come last: they end its pods. As in Kubernetes only the first 25 events of one
object are kept at a time: the agent is not restarted more often than it must be.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from tests.cluster import Cluster, Kubectl, eventually
from tests.cluster.cluster import Node
from tests.cluster.manifests import manifest
from tests.e2e.pods import FOREVER, log_of, pod, run_in, sh, status, until_phase, until_ready

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]

Json = dict[str, Any]
_EVENTS = "custom-columns=N:.involvedObject.name,T:.type,R:.reason,M:.message"


class _OneNode(Cluster):
    """Its agent has a folder of static pods."""

    def _configure_agent(self, host: Any, settings: dict[str, Any]) -> None:
        super()._configure_agent(host, settings)
        folder = host.folder / "manifests"
        folder.mkdir()
        settings["kubelet"] = {
            "static_pod_path": str(folder),
            "file_check_frequency": 0.5,
            "housekeeping_interval": 1,
            "eviction_pressure_transition_period": 3,
            "system_reserved": {"cpu": "100m", "memory": "64Mi"},
            "kube_reserved": {"cpu": "50m", "ephemeral_storage": "1Gi"},
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with _OneNode(("one",)) as made:
        yield made


@pytest.fixture
def kubectl(cluster: Cluster) -> Kubectl:
    return cluster.kubectl


@pytest.fixture
def node(cluster: Cluster) -> Node:
    return cluster.nodes["one"]


async def events_of(kubectl: Kubectl, name: str) -> str:
    return await kubectl("get", "events", "-A", "--field-selector", f"involvedObject.name={name}", "-o", _EVENTS)


async def until_event(kubectl: Kubectl, name: str, *words: str, seconds: float = 15) -> None:
    async def check() -> None:
        found = await events_of(kubectl, name)
        assert any(all(word in line for word in words) for line in found.splitlines()), found

    await eventually(check, seconds=seconds)


async def _write(node: Node, name: str, content: str) -> Path:
    """As an editor does: a new file that takes the place of the old one."""
    path: Path = node.host.folder / "manifests" / name
    fresh = path.with_name(f".{name}")
    await asyncio.to_thread(fresh.write_text, content)
    await asyncio.to_thread(fresh.replace, path)
    return path


async def _no_pods(kubectl: Kubectl) -> None:
    assert await kubectl("get", "pods", "-o", "name") == ""


async def _restart_agent(cluster: Cluster, node: Node) -> None:
    """Returns when the new one is in touch with the master."""
    await node.agent.restart()
    await _in_touch(cluster)


async def _in_touch(cluster: Cluster) -> None:
    async def check() -> None:
        try:
            answer = await cluster.kubectl.run("get", "--raw", "/api/v1/nodes/one/proxy/healthz", timeout=2)
        except TimeoutError:
            raise AssertionError("the node does not answer") from None
        assert answer.returncode == 0, answer.stderr

    await eventually(check, seconds=30)


async def test_the_node_tells_capacity_conditions_and_events_as_a_kubelet_does(kubectl: Kubectl) -> None:
    found = (await kubectl.json("get", "node", "one"))["status"]
    capacity, allocatable = found["capacity"], found["allocatable"]
    assert int(allocatable["cpu"].removesuffix("m")) == int(capacity["cpu"]) * 1000 - 150
    assert int(capacity["memory"].removesuffix("Ki")) - int(allocatable["memory"].removesuffix("Ki")) == (64 + 100) * 1024
    disk = int(capacity["ephemeral-storage"].removesuffix("Ki")) * 1024
    assert abs(disk - (1 << 30) - disk // 10 - int(allocatable["ephemeral-storage"])) < 2048
    conditions = {one["type"]: (one["status"], one["reason"], one["message"]) for one in found["conditions"]}
    assert conditions["MemoryPressure"] == ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available")
    assert conditions["DiskPressure"] == ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure")
    assert conditions["PIDPressure"] == ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available")
    assert conditions["Ready"] == ("True", "KubeletReady", "kubelet is posting ready status")
    await until_event(kubectl, "one", "Starting", "Starting kubelet.")
    for word in ("NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID", "NodeReady"):
        await until_event(kubectl, "one", "Normal", word, f"Node one status is now: {word}")


async def test_a_static_pod_runs_is_mirrored_restarts_on_change_and_ends_with_its_file(kubectl: Kubectl, node: Node) -> None:
    first = pod("static", sh(f"echo first; {FOREVER}"))
    first["metadata"] = {"name": "static", "labels": {"app": "static"}}
    await _write(node, "static.yaml", yaml.safe_dump(first))
    await _write(node, "broken.yaml", "kind: Pod\nspec: [")
    await _write(node, "secretive.json", json.dumps({
        **pod("secretive", sh(FOREVER)), "spec": {"containers": [sh(FOREVER)], "imagePullSecrets": [{"name": "x"}]},
    }))  # fmt: skip

    async def shown() -> Json:
        return await kubectl.json("get", "pod", "static-one")

    await eventually(shown, seconds=15)
    await until_ready(kubectl, "static-one")
    mirror = await shown()
    metadata = mirror["metadata"]
    hash_ = metadata["annotations"]["kubernetes.io/config.hash"]
    assert metadata["annotations"]["kubernetes.io/config.mirror"] == hash_
    assert metadata["annotations"]["kubernetes.io/config.source"] == "file"
    assert metadata["annotations"]["kubernetes.io/config.seen"]
    assert [(one["kind"], one["name"], one["controller"]) for one in metadata["ownerReferences"]] == [("Node", "one", True)]
    assert await log_of(kubectl, "static-one") == ["first"]
    assert await run_in(kubectl, "static-one", "echo in") == "in"
    assert "Started container main" in await kubectl("describe", "pod", "static-one")
    await until_event(kubectl, "one", "FailedValidation", "broken.yaml")
    await until_event(kubectl, "one", "FailedValidation", "secretive.json", "static pods can not reference secrets")

    # Deleting the mirror leaves the containers alone, and it comes back.
    before = await node.containers()
    await kubectl("delete", "pod", "static-one", timeout=20)

    async def back() -> None:
        found = await shown()
        assert found["metadata"]["uid"] != metadata["uid"]
        assert found["status"]["phase"] == "Running"

    await eventually(back, seconds=20)
    assert await node.containers() == before

    # Another content is another pod of the same name.
    second = pod("static", sh(f"echo second; {FOREVER}"))
    path = await _write(node, "static.yaml", yaml.safe_dump(second))

    async def changed() -> None:
        assert (await kubectl("logs", "static-one", check=False)).split() == ["second"]
        assert (await shown())["metadata"]["annotations"]["kubernetes.io/config.hash"] != hash_

    await eventually(changed, seconds=20)

    # Half a file ends nothing; its removal does.
    running = await node.containers()
    await _write(node, "static.yaml", "kind: Pod\nmetadata: {")
    await until_event(kubectl, "one", "FailedValidation", "static.yaml")
    assert await node.containers() == running
    for one in (path, path.with_name("broken.yaml"), path.with_name("secretive.json")):
        await asyncio.to_thread(one.unlink)

    async def gone() -> None:
        assert await kubectl("get", "pod", "static-one", "--ignore-not-found") == ""
        assert await node.containers() == {}

    await eventually(gone, seconds=20)


async def test_a_static_pod_starts_with_neither_master_nor_broker_in_reach(
    cluster: Cluster, kubectl: Kubectl, node: Node
) -> None:
    await _write(node, "before.yaml", yaml.safe_dump(pod("before", sh(FOREVER))))

    async def one_runs() -> None:
        assert len(await node.containers()) == 2

    await eventually(one_runs, seconds=20)
    before = await node.containers()
    await node.agent.stop()
    path = await _write(node, "offline.yaml", yaml.safe_dump(pod("offline", sh(FOREVER))))
    await node.host.link_down()
    try:
        await node.agent.start()

        async def runs() -> None:
            found = await node.containers()
            assert len(found) == 4
            assert before.items() <= found.items()

        await eventually(runs, seconds=20)
    finally:
        await node.host.link_up()
    await _in_touch(cluster)
    await eventually(lambda: kubectl("get", "pod", "offline-one"), seconds=30)
    await until_ready(kubectl, "offline-one", "before-one")
    for one in (path, path.with_name("before.yaml")):
        await asyncio.to_thread(one.unlink)
    await eventually(lambda: _no_pods(kubectl), seconds=20)
    await cluster.nodes_ready()


async def test_a_drain_evicts_with_grace_and_heeds_budgets_and_local_data(kubectl: Kubectl) -> None:
    told = "trap 'echo ended > /v/ended; exit 0' TERM; while :; do sleep 0.1; done"
    mount: Json = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    graceful = pod("graceful", sh(told, **mount), terminationGracePeriodSeconds=10)
    graceful["spec"]["volumes"] = [
        {"name": "v", "hostPath": {"path": f"{kubectl.host.folder}/v", "type": "DirectoryOrCreate"}}
    ]
    keeping = pod("keeping", sh(FOREVER), volumes=[{"name": "v", "emptyDir": {}}])
    guarded = pod("guarded", sh(FOREVER))
    budget: Json = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "guard"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"test": "guarded"}}},
    }
    await kubectl.apply(manifest(graceful, keeping, guarded, budget))
    await until_ready(kubectl, "graceful", "keeping", "guarded")
    drain = ("drain", "one", "--ignore-daemonsets", "--force")
    refused = await kubectl.run(*drain)
    assert refused.returncode != 0
    assert "cannot delete Pods with local storage" in refused.stderr
    held = await kubectl.run(*drain, "--delete-emptydir-data", "--timeout=4s")
    assert "Cannot evict pod as it would violate the pod's disruption budget" in held.stderr
    assert await kubectl("get", "pods", "-o", "name") == "pod/guarded\n"
    assert await asyncio.to_thread((kubectl.host.folder / "v" / "ended").read_text) == "ended\n"
    await until_event(kubectl, "one", "NodeNotSchedulable", "Node one status is now: NodeNotSchedulable")
    await kubectl("delete", "pdb", "guard")
    await kubectl(*drain, "--delete-emptydir-data")
    assert await kubectl("get", "pods", "-o", "name") == ""
    await kubectl("uncordon", "one")
    await until_event(kubectl, "one", "NodeSchedulable", "Node one status is now: NodeSchedulable")


async def test_pods_that_exceed_their_limits_of_the_disk_are_evicted(kubectl: Kubectl) -> None:
    write = "dd if=/dev/zero of={} bs=1M count=4; " + FOREVER
    mount: Json = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    limit: Json = {"resources": {"limits": {"ephemeral-storage": "2Mi"}}}
    volume = pod("fills-volume", sh(write.format("/v/x"), **mount), volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}])
    layer = pod("fills-layer", sh(write.format("/x"), **limit))
    within = pod("within", sh(write.format("/x"), resources={"limits": {"ephemeral-storage": "100Mi"}}))
    await kubectl.apply(manifest(volume, layer, within))
    for name, message in (
        ("fills-volume", 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '),
        ("fills-layer", "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. "),
    ):
        found = await until_phase(kubectl, name, "Failed")
        assert (found["reason"], found["message"]) == ("Evicted", message)
        await until_event(kubectl, name, "Warning", "Evicted", message.strip())
    assert (await status(kubectl, "within"))["phase"] == "Running"
    await kubectl("delete", "pod", "fills-volume", "fills-layer", "within", "--wait=false")


async def test_an_idle_agent_writes_nothing_to_disk(kubectl: Kubectl, node: Node) -> None:
    probe: Json = {"exec": {"command": ["true"]}, "periodSeconds": 1}
    volume: Json = {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}]}
    await kubectl.apply(manifest(pod("idle", sh(FOREVER, readinessProbe=probe, livenessProbe=probe), **volume)))
    await until_ready(kubectl, "idle")
    await asyncio.sleep(5)  # its last status and the record of it

    async def written() -> int:
        text = await asyncio.to_thread(Path(f"/proc/{node.agent.pid}/io").read_text)
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("write_bytes"))

    before = await written()
    await asyncio.sleep(15)
    assert await written() == before
    await kubectl("delete", "pod", "idle", "--wait=false")


async def test_short_memory_evicts_one_pod_after_another_and_spares_static_ones(
    cluster: Cluster, kubectl: Kubectl, node: Node
) -> None:
    await _write(node, "spared.yaml", yaml.safe_dump(pod("spared", sh(FOREVER))))
    large = pod("large", sh("x=$(head -c 20000000 /dev/zero | tr '\\0' x); " + FOREVER))
    small = pod("small", sh(FOREVER, resources={"requests": {"memory": "1Gi"}}))
    await kubectl.apply(manifest(large, small))
    await until_ready(kubectl, "large", "small")
    await eventually(lambda: kubectl("wait", "--for=condition=Ready", "pod/spared-one", "--timeout=5s"), seconds=15)
    config = node.host.folder / "etc" / "config.yaml"
    text = await asyncio.to_thread(config.read_text)
    settings = yaml.safe_load(text)
    settings["kubelet"]["eviction_hard"] = {"memory.available": "99.9%"}
    await asyncio.to_thread(config.write_text, yaml.safe_dump(settings))
    await _restart_agent(cluster, node)
    evicted = await until_phase(kubectl, "large", "Failed", seconds=30)
    assert evicted["reason"] == "Evicted"
    assert evicted["message"].startswith("The node was low on resource: memory. Threshold quantity: ")
    assert "Container main was using " in evicted["message"]
    assert evicted["message"].endswith(", request is 0, has larger consumption of memory. ")
    target = next(one for one in evicted["conditions"] if one["type"] == "DisruptionTarget")
    assert (target["status"], target["reason"]) == ("True", "TerminationByKubelet")
    await until_event(kubectl, "large", "Warning", "Evicted", "The node was low on resource: memory.")
    await until_event(kubectl, "one", "Warning", "EvictionThresholdMet", "Attempting to reclaim memory")
    await until_event(kubectl, "one", "NodeHasInsufficientMemory")
    await until_phase(kubectl, "small", "Failed", seconds=20)
    assert await cluster.node_condition("one", "MemoryPressure") == "True"
    refused = pod("refused", sh(FOREVER), nodeName="one")
    await kubectl.apply(manifest(refused))
    found = await until_phase(kubectl, "refused", "Failed")
    assert (found["reason"], found["message"]) == (
        "Evicted", "Pod was rejected: The node had condition: [MemoryPressure]. ",
    )  # fmt: skip
    assert (await status(kubectl, "spared-one"))["phase"] == "Running"
    await asyncio.to_thread(config.write_text, text)
    await _restart_agent(cluster, node)

    async def relieved() -> None:
        assert await cluster.node_condition("one", "MemoryPressure") == "False"

    await eventually(relieved, seconds=20)
