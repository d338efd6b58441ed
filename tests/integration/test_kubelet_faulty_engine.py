"""Docker that hangs or answers 500 for some requests: the pods concerned say so, the others do not notice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.faulty_engine import FAIL, HANG, FaultyEngine, faulty_engine
from tests.integration.kubelet_node import DOCKER, Json, Node, kubelet_node

pytestmark = [pytest.mark.docker, pytest.mark.root]

STAYS = ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait; done"]


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[FaultyEngine]:
    async with faulty_engine(tmp_path / "docker.sock", Path(DOCKER.removeprefix("unix://"))) as made:
        yield made


@pytest.fixture
async def node(tmp_path: Path, engine: FaultyEngine) -> AsyncIterator[Node]:
    async with kubelet_node(tmp_path / "kubelet", docker_url=f"unix://{tmp_path}/docker.sock") as made:
        yield made


def waiting(node: Node, name: str) -> Json:
    statuses = node.reports.last(name).get("containerStatuses") or [{}]
    return dict(statuses[0].get("state", {}).get("waiting", {}))


def instances(node: Node) -> list[tuple[str, str]]:
    """Pod and kind of each container on the engine."""
    labels = [one["Config"]["Labels"] for one in node.engine()]
    return [(one["io.wherry.pod.name"], one["io.wherry.kind"]) for one in labels]


async def test_pods_run_beside_those_whose_calls_the_engine_hangs_on_or_refuses(node: Node, engine: FaultyEngine) -> None:
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1}
    node.order(node.pod("old", {"command": STAYS, "readinessProbe": probe}))
    status = await node.until_ready("old")
    old = status["containerStatuses"][0]["containerID"].removeprefix("docker://")

    def fault(request: str) -> str | None:
        if "/containers/create?name=wherry_c0_stuck" in request or f"/containers/{old}/json" in request:
            return HANG
        return FAIL if "/containers/create?name=wherry_c0_ill" in request else None

    engine.fault = fault
    # More than are given to the engine at once.
    for number in range(6):
        node.order(node.pod(f"stuck-{number}", {"command": STAYS}))
    node.order(node.pod("ill", {"command": STAYS}))
    await node.until(lambda: len([one for one in engine.hanging if "stuck" in one]) >= 4)
    manifest = node.pod("free", {"command": STAYS, "readinessProbe": probe})
    node.order(manifest)
    await node.until_ready("free", timeout=15)
    await node.until(lambda: waiting(node, "ill").get("reason") == "CreateContainerError")
    assert waiting(node, "ill")["message"] == "the engine is ill"
    # Its exits are seen and it ends while the engine still hangs.
    node.remove(manifest)
    await node.until(lambda: "free" not in {pod for pod, _ in instances(node)}, timeout=15)
    assert engine.hanging
    engine.heal()
    for name in ("ill", *(f"stuck-{number}" for number in range(6))):
        await node.until_ready(name, timeout=30)
    container = node.reports.last("old")["containerStatuses"][0]
    assert (container["containerID"], container["restartCount"], container["ready"]) == (f"docker://{old}", 0, True)
    assert len(instances(node)) == len(set(instances(node))) == 16


async def test_an_engine_that_refuses_everything_for_a_while_loses_nothing(node: Node, engine: FaultyEngine) -> None:
    node.order(node.pod("old", {"command": STAYS}))
    before = await node.until_ready("old")
    engine.fault = lambda request: FAIL
    node.order(node.pod("new", {"command": STAYS}))
    await asyncio.sleep(2)
    assert not node.reports.last("new").get("containerStatuses", [{}])[0].get("containerID")
    engine.heal()
    await node.until_ready("new", timeout=20)
    after = node.reports.last("old")
    assert after["containerStatuses"] == before["containerStatuses"]
