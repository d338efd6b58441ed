"""What ends comes back: a killed container, a deleted pod, the pods of a node that is cut off."""

import time

import pytest

from tests.cluster import Cluster, eventually
from tests.cluster.kubectl import Json
from tests.cluster.manifests import app_deployment, manifest

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]


async def _running_pods(cluster: Cluster, app: str) -> list[Json]:
    pods: list[Json] = (await cluster.kubectl.json("get", "pods", "-l", f"app={app}"))["items"]
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"] and pod["status"].get("phase") == "Running"]


async def test_a_killed_container_is_restarted_and_counted(cluster: Cluster) -> None:
    await cluster.kubectl.apply(manifest(app_deployment("fragile", replicas=1)))
    await cluster.kubectl("rollout", "status", "deployment/fragile", "--timeout=60s")
    (pod,) = await _running_pods(cluster, "fragile")
    node = cluster.nodes[pod["spec"]["nodeName"]]
    for killed in (1, 2):
        status = (await _running_pods(cluster, "fragile"))[0]["status"]["containerStatuses"][0]
        await node.host.docker("kill", "-s", "KILL", status["containerID"].removeprefix("docker://"))

        async def restarted(killed: int = killed) -> None:
            (now,) = await _running_pods(cluster, "fragile")
            status = now["status"]["containerStatuses"][0]
            assert status["restartCount"] == killed
            assert status["state"].get("running"), status
            assert status["lastState"]["terminated"]["exitCode"] == 137

        # The first restart is immediate, the second waits 10 s, as Kubernetes' back-off does.
        await eventually(restarted, seconds=10 if killed == 1 else 25)
        if killed == 1:
            table = await cluster.kubectl("get", "pod", pod["metadata"]["name"])
            assert table.split()[-3 if "ago" not in table else -4].startswith("1")

    async def told() -> None:
        events = await cluster.kubectl("get", "events", "--field-selector", f"involvedObject.name={pod['metadata']['name']}")
        assert "BackOff" in events
        assert "Back-off restarting failed container web in pod" in events

    await eventually(told, seconds=10)


async def test_a_deleted_pod_is_replaced(cluster: Cluster) -> None:
    await cluster.kubectl.apply(manifest(app_deployment("replaced", replicas=2)))
    await cluster.kubectl("rollout", "status", "deployment/replaced", "--timeout=60s")
    before = {pod["metadata"]["name"] for pod in await _running_pods(cluster, "replaced")}
    victim = sorted(before)[0]
    await cluster.kubectl("delete", "pod", victim)

    async def replaced() -> None:
        names = {pod["metadata"]["name"] for pod in await _running_pods(cluster, "replaced")}
        assert len(names) == 2
        assert victim not in names

    await eventually(replaced, seconds=15)
    assert (await cluster.kubectl.run("get", "pod", victim)).returncode != 0


async def test_pods_that_a_cut_did_not_move_serve_again_when_it_ends(cluster: Cluster) -> None:
    spread = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "staying"}}
    spread["spec"] = {"selector": {"app": "staying"}, "ports": [{"port": 80, "targetPort": 8080}]}
    await cluster.kubectl.apply(manifest(app_deployment("staying", replicas=4), spread))
    await cluster.kubectl("rollout", "status", "deployment/staying", "--timeout=60s")
    node = cluster.nodes["two"]
    before = await node.containers()

    async def ready_on_two() -> tuple[int, int]:
        """How many pods of node two are Ready, and how many its endpoints say are."""
        pods = [pod for pod in await _running_pods(cluster, "staying") if pod["spec"]["nodeName"] == "two"]
        ready = [
            pod for pod in pods if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"])
        ]
        slices = (await cluster.kubectl.json("get", "endpointslices", "-l", "kubernetes.io/service-name=staying"))["items"]
        endpoints = [one for piece in slices for one in piece.get("endpoints") or () if one["nodeName"] == "two"]
        return len(ready), sum(one["conditions"]["ready"] for one in endpoints)

    expected = await ready_on_two()
    assert expected[0] == expected[1] > 0

    async def out() -> None:
        assert await cluster.node_condition("two") == "Unknown"
        assert await ready_on_two() == (0, 0)

    async def back() -> None:
        assert await ready_on_two() == expected

    await node.host.link_down()
    try:
        await eventually(out, seconds=20)
    finally:
        await node.host.link_up()
    await cluster.nodes_ready("two", seconds=20)
    await eventually(back, seconds=10)
    assert await node.containers() == before
    # Foreground: the next test counts containers, and a background deletion's pods still end their grace period then.
    await cluster.kubectl("delete", "deployment/staying", "service/staying", "--cascade=foreground", "--timeout=60s")


async def test_pods_of_a_node_that_is_cut_off_are_replaced_and_their_surplus_is_stopped(cluster: Cluster) -> None:
    await cluster.kubectl.apply(manifest(app_deployment("moving", replicas=2, toleration_seconds=3)))
    await cluster.kubectl("rollout", "status", "deployment/moving", "--timeout=60s")
    pods = await _running_pods(cluster, "moving")
    lost = next(pod for pod in pods if pod["spec"]["nodeName"] == "two")
    node = cluster.nodes["two"]
    untouched = await node.containers()  # those of other tests too: nothing at all may be stopped
    cut = time.monotonic()
    await node.host.link_down()
    try:

        async def not_ready() -> None:
            assert await cluster.node_condition("two") == "Unknown"

        await eventually(not_ready, seconds=15)
        assert time.monotonic() - cut <= 15

        async def replaced() -> None:
            now = await _running_pods(cluster, "moving")
            ready = [
                pod for pod in now if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"])
            ]
            assert [pod["spec"]["nodeName"] for pod in ready] == ["one", "one"]

        await eventually(replaced, seconds=30)
        assert await node.containers() == untouched, "the agent stopped something while it was cut off"
    finally:
        await node.host.link_up()
    await cluster.nodes_ready("two", seconds=30)

    async def surplus_stopped() -> None:
        listed = await node.host.docker("ps", "-q", "--filter", f"label=io.wherry.pod.uid={lost['metadata']['uid']}")
        assert listed.stdout.split() == []
        gone = await cluster.kubectl.run("get", "pod", lost["metadata"]["name"])
        assert gone.returncode != 0

    await eventually(surplus_stopped, seconds=20)
