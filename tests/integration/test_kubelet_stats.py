"""What pods use, read on the real Docker: CPU that is burnt, memory that is held, files that are written."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.stats.samples import NodeSample, PodSample
from tests.integration.kubelet_node import Node, kubelet_node

pytestmark = [pytest.mark.docker, pytest.mark.root]

MEBIBYTE = 1 << 20
BUSY = "while :; do :; done"
HOLDS = (
    "dd if=/dev/zero of=/layer bs=1M count=3; dd if=/dev/zero of=/scratch/file bs=1M count=5;"
    " i=0; while [ $i -lt 500 ]; do echo a line of the log that is as long as this; i=$((i+1)); done; touch /done; sleep 3600"
)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with kubelet_node(tmp_path / "kubelet") as made:
        yield made


def pod_in(sample: NodeSample, name: str) -> PodSample:
    return next(pod for pod in sample.pods if pod.target.name == name)


async def test_what_pods_use_is_read(node: Node) -> None:
    burns = node.pod("burns", {"command": ["/bin/sh", "-c", BUSY], "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}}})
    holds = node.pod(
        "holds",
        {
            "command": ["/bin/sh", "-c", HOLDS],
            "readinessProbe": {"exec": {"command": ["test", "-e", "/done"]}, "periodSeconds": 1},
            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}, {"name": "shared", "mountPath": "/shared"}],
        },
        volumes=[{"name": "scratch", "emptyDir": {}}, {"name": "shared", "emptyDir": {"medium": "Memory"}}],
    )
    for manifest in (burns, holds):
        node.order(manifest)
    for manifest in (burns, holds):
        await node.until_ready(manifest["metadata"]["name"], timeout=40)
    stats = node.kubelet.stats

    sample = await stats.usage(rates=True)
    burning = pod_in(sample, "burns")
    (container,) = burning.containers
    assert container.usage.cpu is not None
    assert container.usage.memory is not None
    assert container.usage.memory.limit == 64 * MEBIBYTE
    assert 0 < container.usage.memory.working_set <= container.usage.memory.usage
    assert burning.nanocores is not None
    # It is held to half a core, and gets as much of it as the machine has left.
    assert 50_000_000 < burning.nanocores < 650_000_000
    assert burning.network is not None
    assert burning.network.default is not None
    assert burning.network.default.name == "eth0"
    assert sample.usage.cpu is not None
    assert sample.usage.memory is not None
    assert sample.usage.memory.working_set > container.usage.memory.working_set
    assert sample.rate is not None

    disks = await stats.disk()
    held = disks[holds["metadata"]["uid"]]
    layer, logs = held.containers["c0"].layer, held.containers["c0"].logs
    assert layer is not None
    assert logs is not None
    assert 3 * MEBIBYTE <= layer.used < 4 * MEBIBYTE
    assert 20_000 < logs.used < MEBIBYTE
    volumes = {one.target.name: one for one in held.volumes}
    assert volumes["scratch"].taken is not None
    assert 5 * MEBIBYTE <= volumes["scratch"].taken.used < 6 * MEBIBYTE
    assert not volumes["shared"].target.ephemeral
    assert held.used == layer.used + logs.used + volumes["scratch"].taken.used

    node.remove(burns)
    await node.until(lambda: "burns" in node.reports.terminated)
    assert [pod.target.name for pod in (await stats.usage()).pods] == ["holds"]
