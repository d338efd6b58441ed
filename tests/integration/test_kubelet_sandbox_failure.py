"""A pod whose sandbox cannot be made: tried again ever more rarely, told to its user, and running once the cause is gone."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.kubelet_node import Node, kubelet_node

pytestmark = [pytest.mark.docker, pytest.mark.root]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with kubelet_node(tmp_path / "kubelet") as made:
        yield made


def _failures(node: Node) -> int:
    return len(node.reports.messages("web", "FailedCreatePodSandBox"))


async def test_a_failing_sandbox_is_retried_with_growing_pauses_whatever_wakes_the_pod(node: Node) -> None:
    there, node.network.name = node.network.name, f"{node.mark}-missing"
    manifest = node.pod("web", {})
    node.order(manifest)
    await node.until(lambda: _failures(node) == 1)
    for number in range(12):
        # Neither an order without a new spec nor a changed object is a reason to try again.
        node.order(manifest | {"metadata": {**manifest["metadata"], "annotations": {"n": str(number)}}})
        node.config_map("unrelated", {"n": str(number)})
        await asyncio.sleep(0.25)
    # At 0, 1 to 1.5 and 3 to 4.5 seconds.
    assert 2 <= _failures(node) <= 3
    assert "not found" in node.reports.messages("web", "FailedCreatePodSandBox")[0]
    node.network.name = there
    # A changed spec is tried at once.
    manifest["spec"]["activeDeadlineSeconds"] = 3600
    node.order(manifest)
    await node.until_ready("web", timeout=3)


async def test_a_sandbox_image_that_cannot_be_made_is_told_and_retried(node: Node, tmp_path: Path) -> None:
    binary = tmp_path / "busybox"
    await node.stop()
    node.settings = {"sandbox_binary": str(binary)}
    await node.start()
    node.order(node.pod("web", {}))
    await node.until(lambda: _failures(node) == 2)
    (message,) = set(node.reports.messages("web", "FailedCreatePodSandBox"))
    assert message.startswith("Failed to create pod sandbox: ")
    assert "busybox-static" in message
    await asyncio.to_thread(shutil.copy, "/bin/busybox", binary)
    await node.until_ready("web", timeout=10)
