"""Ephemeral containers, as `kubectl debug` adds them to a running pod, on the real Docker."""

from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path

import pytest

from tests.integration.kubelet_node import Json, Node, kubelet_node

pytestmark = [pytest.mark.docker, pytest.mark.root]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with kubelet_node(tmp_path / "kubelet") as made:
        yield made


def added(node: Node, manifest: Json, name: str, *command: str, **fields: object) -> Json:
    """The manifest with one more ephemeral container."""
    made = deepcopy(manifest)
    one = {"name": name, "image": node.image, "imagePullPolicy": "IfNotPresent", "command": list(command), **fields}
    made["spec"].setdefault("ephemeralContainers", []).append(one)
    return made


def state_of(node: Node, pod: str, name: str) -> Json:
    statuses = node.reports.last(pod).get("ephemeralContainerStatuses", ())
    return next((dict(one["state"]) for one in statuses if one["name"] == name), {})


async def test_it_joins_a_running_pod_and_its_targets_processes_and_runs_once(node: Node) -> None:
    pod = node.pod("app", {"command": ["/bin/sleep", "1234"]})
    node.order(pod)
    before = await node.until_ready("app")
    looking = added(node, pod, "look", "/bin/sh", "-c", "ps; hostname; exit 3", targetContainerName="c0")
    node.order(looking)
    await node.until(lambda: "terminated" in state_of(node, "app", "look"))
    assert state_of(node, "app", "look")["terminated"]["exitCode"] == 3
    output, _, _ = await node.stream("logs", looking, container="look")
    assert b"/bin/sleep 1234" in output, "it sees its target's processes"
    assert output.endswith(b"app\n"), "it has the pod's host name"
    staying = added(node, looking, "stay", "/bin/sleep", "1000")
    node.order(staying)
    await node.until(lambda: "running" in state_of(node, "app", "stay"))
    output, [status], _ = await node.stream("exec", staying, container="stay", command=["/bin/ps"])
    assert status["status"] == "Success"
    assert b"1234" not in output, "without a target it sees its own processes only"
    await node.stop()
    node.reports.statuses.clear()
    await node.start()
    await node.until_ready("app")
    after = node.reports.last("app")
    assert after["phase"] == "Running"
    assert [one["restartCount"] for one in after["ephemeralContainerStatuses"]] == [0, 0]
    assert {one["ready"] for one in after["ephemeralContainerStatuses"]} == {False}
    assert after["containerStatuses"] == before["containerStatuses"], "the pod's own containers are left alone"
    assert after["qosClass"] == before["qosClass"]
    assert ("app", "Normal", "Started", "Started container stay", "spec.ephemeralContainers{stay}") in node.reports.events
    node.remove(staying)
    await node.until(lambda: "app" in node.reports.terminated)
    assert node.engine() == []


async def test_one_whose_target_does_not_run_waits_and_says_why(node: Node) -> None:
    pod = node.pod("one", {"command": ["/bin/sleep", "1000"]}, {"command": ["/bin/true"]}, restartPolicy="Never")
    node.order(pod)
    await node.until(lambda: "terminated" in str(node.reports.last("one").get("containerStatuses", "")))
    node.order(added(node, pod, "look", "/bin/true", targetContainerName="c1"))
    await node.until(lambda: state_of(node, "one", "look").get("waiting", {}).get("reason") == "CreateContainerConfigError")
    assert state_of(node, "one", "look")["waiting"]["message"] == "unable to find target container c1"
    assert node.reports.last("one")["phase"] == "Running"
