"""Pods on the real Docker: they run, crash, are probed, get their configuration, and end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.runtime.engine_privilege import lowest_oom_score
from tests.integration.kubelet_node import DOCKER, Json, Node, condition, kubelet_node

pytestmark = [pytest.mark.docker, pytest.mark.root]

FOREVER = ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait; done"]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with kubelet_node(tmp_path / "kubelet") as made:
        yield made


def state(status: Json, name: str = "c0") -> Json:
    return next((one for one in status.get("containerStatuses", ()) if one["name"] == name), {})


async def test_a_pod_runs_with_kubernetes_status_and_events(node: Node) -> None:
    manifest = node.pod("web", {"command": FOREVER, "resources": {"limits": {"memory": "32Mi", "cpu": "500m"}}})
    node.order(manifest)
    status = await node.until_ready("web")
    assert status["phase"] == "Running"
    assert status["qosClass"] == "Guaranteed"
    assert status["hostIP"] == "192.0.2.1"
    assert status["podIP"] == status["podIPs"][0]["ip"]
    assert [one["type"] for one in status["conditions"]] == [
        "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled",
    ]  # fmt: skip
    container = state(status)
    assert container["state"]["running"]["startedAt"]
    assert container["ready"]
    assert container["started"]
    assert container["restartCount"] == 0
    assert container["containerID"].startswith("docker://")
    await node.until(lambda: node.reports.messages("web", "Started"))
    reasons = [(reason, message, path) for pod, _, reason, message, path in node.reports.events if pod == "web"]
    assert reasons == [
        ("Pulled", f'Container image "{node.image}" already present on machine', "spec.containers{c0}"),
        ("Created", "Created container: c0", "spec.containers{c0}"),
        ("Started", "Started container c0", "spec.containers{c0}"),
    ]
    inspected = next(one for one in node.engine() if one["Config"]["Labels"]["io.wherry.kind"] == "container")
    assert inspected["HostConfig"]["Memory"] == 32 << 20
    assert inspected["HostConfig"]["CpuQuota"] == 50_000
    assert inspected["HostConfig"]["OomScoreAdj"] == max(-997, lowest_oom_score(DOCKER))


async def test_a_crashing_container_backs_off_and_its_last_log_can_be_read(node: Node) -> None:
    manifest = node.pod("crash", {"command": ["/bin/sh", "-c", "echo dying; echo why >/dev/termination-log; exit 3"]})
    node.order(manifest)
    await node.until(
        lambda: state(node.reports.last("crash")).get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff"
    )
    status = node.reports.last("crash")
    container = state(status)
    assert status["phase"] == "Running"
    assert container["restartCount"] == 1
    uid = manifest["metadata"]["uid"]
    assert container["state"]["waiting"]["message"] == (
        f"back-off 10s restarting failed container=c0 pod=crash_default({uid})"
    )
    last = container["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"], last["message"]) == (3, "Error", "why\n")
    assert node.reports.messages("crash", "BackOff") == [
        f"Back-off restarting failed container c0 in pod crash_default({uid})"
    ]
    output, _, _ = await node.stream("logs", manifest, previous=True)
    assert output == b"dying\n"
    assert condition(status, "Ready")["message"] == "containers with unready status: [c0]"


async def test_init_containers_run_in_order_before_the_others(node: Node) -> None:
    share = {"name": "share", "mountPath": "/share"}
    inits = [
        {
            "name": f"i{index}",
            "image": node.image,
            "volumeMounts": [share],
            "command": ["/bin/sh", "-c", f"echo {index} >>/share/order"],
        }
        for index in range(2)
    ]
    main = {"volumeMounts": [share], "command": ["/bin/sh", "-c", "cat /share/order; sleep 3600"]}
    manifest = node.pod("inits", main, initContainers=inits, volumes=[{"name": "share", "emptyDir": {}}])
    node.order(manifest)
    status = await node.until_ready("inits")
    assert [one["state"]["terminated"]["reason"] for one in status["initContainerStatuses"]] == ["Completed", "Completed"]
    output, _, _ = await node.stream("logs", manifest)
    assert output == b"0\n1\n"
    assert any(
        state(one)["state"].get("waiting", {}).get("reason") == "PodInitializing" for one in node.reports.statuses["inits"]
    )


async def test_a_pod_that_completes_succeeds_and_is_not_run_again(node: Node) -> None:
    node.order(node.pod("once", {"command": ["/bin/true"]}, restartPolicy="Never"))
    await node.until(lambda: node.reports.last("once").get("phase") == "Succeeded")
    status = node.reports.last("once")
    assert condition(status, "Ready")["reason"] == "PodCompleted"
    await node.stop()
    await node.start()
    await asyncio.sleep(1)
    assert node.reports.last("once")["phase"] == "Succeeded"
    assert len([one for one in node.engine() if one["Config"]["Labels"]["io.wherry.kind"] == "container"]) == 1


async def test_readiness_and_liveness_probes_are_acted_on(node: Node) -> None:
    probe = {"exec": {"command": ["/bin/cat", "/tmp/ok"]}, "periodSeconds": 1, "failureThreshold": 1}
    manifest = node.pod("probed", {"command": FOREVER, "readinessProbe": probe})
    node.order(manifest)
    await node.until(lambda: node.reports.messages("probed", "Unhealthy"))
    assert node.reports.messages("probed", "Unhealthy")[0].startswith("Readiness probe failed: cat: can't open '/tmp/ok'")
    _, [status], _ = await node.stream("exec", manifest, command=["/bin/touch", "/tmp/ok"], stdout=True, stderr=True)
    assert status["status"] == "Success"
    await node.until_ready("probed")
    dying = node.pod("dying", {"command": FOREVER, "livenessProbe": probe})
    node.order(dying)
    await node.until(lambda: state(node.reports.last("dying")).get("restartCount") == 1)
    assert node.reports.messages("dying", "Killing") == ["Container c0 failed liveness probe, will be restarted"]


async def test_a_changed_config_map_reaches_files_and_a_missing_one_is_waited_for(node: Node) -> None:
    env = [
        {"name": "FROM", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "k"}}},
        {"name": "TWO", "value": "<$(FROM)>"},
    ]
    main = {
        "command": ["/bin/sh", "-c", "echo $TWO; sleep 3600"],
        "env": env,
        "volumeMounts": [{"name": "v", "mountPath": "/conf"}],
    }
    manifest = node.pod("conf", main, volumes=[{"name": "v", "configMap": {"name": "conf"}}])
    node.order(manifest)
    await node.until(lambda: node.reports.messages("conf", "FailedMount"))
    assert node.reports.messages("conf", "FailedMount") == [
        'MountVolume.SetUp failed for volume "v" : configmap "conf" not found'
    ]
    node.config_map("conf", {"k": "one"})
    await node.until_ready("conf")
    assert (await node.stream("logs", manifest))[0] == b"<one>\n"
    node.config_map("conf", {"k": "two"})

    async with asyncio.timeout(10):
        while (await node.stream("exec", manifest, command=["/bin/cat", "/conf/k"]))[0] != b"two":
            await asyncio.sleep(0.1)


async def test_exec_carries_input_and_the_exit_code(node: Node) -> None:
    manifest = node.pod("exec", {"command": FOREVER})
    node.order(manifest)
    await node.until_ready("exec")
    command = ["/bin/sh", "-c", "cat; exit 7"]
    output, [status], _ = await node.stream("exec", manifest, command=command, stdin=True, input=[b"hello ", b"there"])
    assert output == b"hello there"
    assert status["reason"] == "NonZeroExitCode"
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]


async def test_deletion_runs_the_hook_and_keeps_the_grace(node: Node) -> None:
    hook = {"preStop": {"exec": {"command": ["/bin/sh", "-c", "echo stopping >/proc/1/fd/1"]}}}
    stubborn = {"command": ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"], "lifecycle": hook}
    manifest = node.pod("stubborn", stubborn)
    node.order(manifest)
    await node.until_ready("stubborn")
    began = asyncio.get_running_loop().time()
    manifest["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 2}
    node.order(manifest)
    await node.until(lambda: "stubborn" in node.reports.terminated)
    assert 2.0 <= asyncio.get_running_loop().time() - began < 5.0
    assert state(node.reports.last("stubborn"))["state"]["terminated"]["exitCode"] == 137
    assert node.reports.messages("stubborn", "Killing") == ["Stopping container c0"]
    assert node.engine() == []
    assert not (node.root / "pods" / manifest["metadata"]["uid"]).exists()


async def test_a_deletion_goes_on_where_it_was_when_the_agent_restarts(node: Node) -> None:
    manifest = node.pod("stubborn", {"command": ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"]})
    node.order(manifest)
    await node.until_ready("stubborn")
    began = asyncio.get_running_loop().time()
    # The master's clock is far behind: what counts is when this node was told.
    manifest["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5}
    node.order(manifest)
    await node.until(lambda: node.reports.messages("stubborn", "Killing"))
    await asyncio.sleep(3)
    await node.stop()
    await node.start()
    await node.until(lambda: "stubborn" in node.reports.terminated)
    assert 5.0 <= asyncio.get_running_loop().time() - began < 7.5


async def test_a_restarted_agent_touches_no_container(node: Node) -> None:
    ready = {"exec": {"command": ["/bin/true"]}, "periodSeconds": 1}
    for name in ("a", "b"):
        node.order(node.pod(name, {"command": FOREVER, "readinessProbe": ready}, {"command": FOREVER}))
    for name in ("a", "b"):
        await node.until_ready(name)

    def running() -> list[tuple[str, str]]:
        return sorted((one["Id"], one["State"]["StartedAt"]) for one in node.engine())

    before = running()
    assert len(before) == 6
    for _ in range(2):
        await node.stop()
        assert running() == before
        node.reports.statuses.clear()
        await node.start()
        await node.until_ready("a")
        # Readiness is kept across the restart: no endpoint is taken out for it.
        assert all(condition(one, "Ready")["status"] == "True" for one in node.reports.statuses["a"])
    await asyncio.sleep(1.5)
    assert running() == before


async def test_orphans_go_only_when_the_master_has_spoken(node: Node) -> None:
    manifest = node.pod("orphan", {"command": FOREVER})
    node.order(manifest)
    await node.until_ready("orphan")
    await node.stop()
    node.desired.pods.clear()
    await node.start()
    await asyncio.sleep(1)
    assert len(node.engine()) == 2
    node.orphans_may_go = True
    await node.until(lambda: not node.engine(), timeout=15)
