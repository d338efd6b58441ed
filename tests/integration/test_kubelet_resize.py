"""In-place resize on the real Docker: what the node refuses, and what holds over a restart of the agent."""

from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from agent.stats.cgroup import Cgroups
from tests.integration.kubelet_node import Node, condition, kubelet_node

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.timeout(60)]

Json = dict[str, Any]
MIB = 1 << 20


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with kubelet_node(tmp_path) as made:
        yield made


def with_memory(manifest: Json, memory: str) -> Json:
    changed = deepcopy(manifest)
    changed["spec"]["containers"][0]["resources"] = {"limits": {"memory": memory}, "requests": {"memory": memory}}
    return changed


def limits(node: Node) -> dict[str, tuple[int, str]]:
    """Memory limit and start by container."""
    return {
        one["Config"]["Labels"]["io.wherry.container.name"]: (one["HostConfig"]["Memory"], one["State"]["StartedAt"])
        for one in node.engine()
        if one["Config"]["Labels"]["io.wherry.kind"] == "container"
    }


async def test_memory_below_its_use_is_refused_and_the_container_runs_on(node: Node) -> None:
    fill = "head -c 50000000 /dev/zero | tail -c 50000000 | sleep 1000"  # tail holds it all
    manifest = with_memory(node.pod("full", {"command": ["sh", "-c", fill]}), "128Mi")
    node.order(manifest)
    await node.until_ready("full")
    (made,) = (one for one in node.engine() if one["Config"]["Labels"]["io.wherry.kind"] == "container")
    group = Cgroups().of_container(made["State"]["Pid"], made["Id"])
    assert group is not None
    await node.until(lambda: (memory := group.read().memory) is not None and memory.usage > 40_000_000)
    before = limits(node)["c0"]
    node.order(with_memory(manifest, "16Mi"))

    def refused() -> Json:
        found = condition(node.reports.last("full"), "PodResizeInProgress")
        return found if found.get("reason") == "Error" else {}

    said = await node.until(refused)
    assert said["message"] == "aborting attempt to set pod memory limit less than current memory usage for pod full"
    assert limits(node)["c0"] == before
    (container,) = node.reports.last("full")["containerStatuses"]
    assert container["resources"]["limits"] == {"memory": "128Mi"}, "what it has, not what it is to have"
    assert container["allocatedResources"] == {"memory": "16Mi"}
    node.order(with_memory(manifest, "256Mi"))
    await node.until(lambda: not condition(node.reports.last("full"), "PodResizeInProgress"))
    assert limits(node)["c0"] == (256 * MIB, before[1])


async def test_a_resize_waits_for_room_and_outlives_a_restart_of_the_agent(node: Node) -> None:
    allocatable = int(node.kubelet._node.facts().allocatable["memory"].removesuffix("Ki")) // 1024  # MiB
    large, small = f"{allocatable * 2 // 3}Mi", "64Mi"
    neighbour, waiting = with_memory(node.pod("neighbour", {}), large), with_memory(node.pod("waiting", {}), small)
    for manifest in (neighbour, waiting):
        node.order(manifest)
    await node.until_ready("neighbour")
    await node.until_ready("waiting")
    before = limits(node)["c0"]

    def pending() -> Json:
        return condition(node.reports.last("waiting"), "PodResizePending")

    node.order(with_memory(waiting, f"{allocatable * 2}Mi"))
    assert (await node.until(pending))["reason"] == "Infeasible"
    node.order(with_memory(waiting, large))
    await node.until(lambda: pending().get("reason") == "Deferred")
    assert pending()["message"].startswith("Node didn't have enough resource: memory, requested: ")
    await node.stop()
    node.reports.statuses.clear()
    await node.start()
    assert (await node.until(pending))["reason"] == "Deferred"
    starts = {one["Id"]: one["State"]["StartedAt"] for one in node.engine()}
    node.order(with_memory(neighbour, small))
    await node.until(lambda: node.reports.last("waiting") and not pending())

    def settled() -> bool:
        status = node.reports.last("waiting")
        return bool(status["containerStatuses"][0]["resources"]["limits"] == {"memory": large})

    await node.until(settled)
    assert {one["Id"]: one["State"]["StartedAt"] for one in node.engine()} == starts
    assert before[1] in starts.values()
