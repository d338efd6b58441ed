"""How pods begin, change and end, in Kubernetes' words, each through real kubectl on a cluster of one node."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.cluster import Cluster, Kubectl, eventually
from tests.cluster.manifests import manifest
from tests.e2e.pods import FOREVER, pod, sh, status, until_ready

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

Json = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(("one",)) as made:
        yield made


@pytest.fixture
def kubectl(cluster: Cluster) -> Kubectl:
    return cluster.kubectl


def by_name(shown: Json) -> dict[str, Json]:
    return {one["name"]: one for one in shown["containerStatuses"]}


def conditions(shown: Json) -> dict[str, Json]:
    return {one["type"]: one for one in shown["conditions"]}


async def events(kubectl: Kubectl, name: str) -> list[tuple[str, str]]:
    found = await kubectl.json("get", "events", "--field-selector", f"involvedObject.name={name}")
    return [(one["reason"], one["message"]) for one in found["items"]]


async def resize(kubectl: Kubectl, name: str, *containers: Json) -> None:
    patch = json.dumps({"spec": {"containers": list(containers)}})
    await kubectl("patch", "pod", name, "--subresource", "resize", "--patch", patch)


def amounts(cpu: str, memory: str) -> Json:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}}


async def test_resources_change_in_place_or_by_a_restart_as_the_policy_says(kubectl: Kubectl, cluster: Cluster) -> None:
    restarts = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    await kubectl.apply(
        manifest(
            pod(
                "resized",
                sh(FOREVER, "kept", resources=amounts("50m", "32Mi")),
                sh(FOREVER, "renewed", resources=amounts("50m", "32Mi"), resizePolicy=restarts),
            ),
        )
    )
    await until_ready(kubectl, "resized")
    before = await status(kubectl, "resized")
    assert by_name(before)["kept"]["resources"] == amounts("50m", "32Mi")
    assert by_name(before)["kept"]["allocatedResources"] == {"cpu": "50m", "memory": "32Mi"}
    bigger = amounts("100m", "64Mi")
    await resize(kubectl, "resized", {"name": "kept", "resources": bigger}, {"name": "renewed", "resources": bigger})

    async def done() -> Json:
        shown = await status(kubectl, "resized")
        assert {one["name"]: one["resources"] for one in shown["containerStatuses"]} == {"kept": bigger, "renewed": bigger}
        assert not conditions(shown).keys() & {"PodResizePending", "PodResizeInProgress"}
        assert conditions(shown)["Ready"]["status"] == "True"
        return shown

    after = await eventually(done, seconds=20)
    assert by_name(after)["kept"]["restartCount"] == 0
    assert by_name(after)["kept"]["containerID"] == by_name(before)["kept"]["containerID"]
    assert by_name(after)["renewed"]["restartCount"] == 1
    assert by_name(after)["kept"]["allocatedResources"] == bigger["requests"]
    for name, container in by_name(after).items():
        container_id = container["containerID"].removeprefix("docker://")
        host = json.loads((await cluster.nodes["one"].host.docker("inspect", container_id)).stdout)[0]["HostConfig"]
        assert (host["CpuQuota"], host["Memory"], host["MemorySwap"]) == (10_000, 64 << 20, 64 << 20), name
    said = await events(kubectl, "resized")
    assert ("Killing", "Container renewed resize requires restart") in said
    assert {"ResizeStarted", "ResizeCompleted"} <= {reason for reason, _ in said}
    assert not [message for reason, message in said if reason == "Killing" and "kept" in message]
