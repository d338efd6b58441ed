"""What the control plane noted while a node was out is put right when it is back, though its agent has nothing new to say."""

import asyncio
from pathlib import Path

import pytest

from tests.integration.master_cluster import Api, Json, MasterProcess, Node, eventually, master_running, node_running, pod
from tests.integration.test_fleet_master import condition, desired_pod, registered, until

pytestmark = pytest.mark.broker

PODS = "/api/v1/namespaces/default/pods"
NODE = "/api/v1/nodes/n1"
_RUNNING: Json = {
    "phase": "Running",
    "podIP": "10.201.0.5",
    "conditions": [
        {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"},
        {"type": "ContainersReady", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"},
    ],
}


async def a_ready_pod(api: Api, node: Node) -> None:
    await registered(api, node)
    uid = (await api.create(PODS, pod("a", "n1")))["metadata"]["uid"]
    await eventually(lambda: uid in node.desired.pods)
    node.outbox.pod_status(desired_pod(node, uid), _RUNNING)
    await until(api, f"{PODS}/a", lambda one: condition(one, "Ready") == "True")


def sessions(master: MasterProcess) -> int:
    return master.log.read_text().count("a node's session ended")


async def test_pods_are_ready_again_when_their_node_is(tmp_path: Path) -> None:
    async with master_running() as master, master.api() as api, node_running(master, "n1", tmp_path / "n1") as node:
        await a_ready_pod(api, node)
        well: Json = (await api.get(NODE))["status"]
        well = {name: well[name] for name in ("capacity", "allocatable", "addresses")}
        for status, problem in (("False", "container runtime is down"), ("True", "")):
            ready = {"type": "Ready", "status": status, "reason": "Kubelet", "message": problem}
            node.outbox.node_status({**well, "conditions": [ready]})
            await until(api, NODE, lambda one, status=status: condition(one, "Ready") == status)
            await until(api, f"{PODS}/a", lambda one, status=status: condition(one, "Ready") == status)
        await until(api, NODE, lambda one: "taints" not in one["spec"])


async def test_a_node_that_was_unknown_is_ready_again_over_the_session_that_it_kept(tmp_path: Path) -> None:
    async with master_running() as master, master.api() as api, node_running(master, "n1", tmp_path / "n1") as node:
        await a_ready_pod(api, node)
        before = sessions(master)
        unknown = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": ""}
        current = await api.get(NODE)
        current["status"]["conditions"] = [unknown]
        await api.put(f"{NODE}/status", current)
        await until(api, NODE, lambda one: condition(one, "Ready") == "True", 10)
        await until(api, f"{PODS}/a", lambda one: condition(one, "Ready") == "True", 10)
        await asyncio.sleep(0.5)
        assert condition(await api.get(f"{PODS}/a"), "Ready") == "True"
        assert sessions(master) == before
