"""The client libraries that people use, each in a process of its own, against a real cluster.

Every one creates, watches, patches, deletes and, where it can, runs a command, reads a log and forwards a port.
"""

import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cluster import Cluster, eventually
from tests.hosts.host import stop

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

CLIENTS = Path(__file__).with_name("clients")
#: tests/run installs the packages of clients/package.json here.
NODE_MODULES = Path(sys.prefix) / "node"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(nodes=("one",)) as made:
        yield made


async def run(cluster: Cluster, namespace: str, *command: str) -> None:
    """Run a client on the control host in a namespace of its own."""
    await cluster.kubectl("create", "namespace", namespace)
    environment = {**cluster.kubectl.environment, "PYTHONDONTWRITEBYTECODE": "1"}
    await cluster.control.run(*command, str(cluster.kubeconfig), namespace, env=environment, timeout=90)
    await cluster.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.mark.parametrize("client", ["official", "official_asyncio", "with_lightkube", "with_kr8s"])
async def test_a_python_client_works_as_with_kubernetes(cluster: Cluster, client: str) -> None:
    await run(cluster, client.replace("_", "-"), sys.executable, str(CLIENTS / f"{client}.py"))


@pytest.mark.skipif(not shutil.which("node") or not NODE_MODULES.exists(), reason="tests/run installs the JavaScript client")
async def test_the_javascript_client_works_as_with_kubernetes(cluster: Cluster) -> None:
    await run(cluster, "node", "node", str(CLIENTS / "node_client.mjs"), str(NODE_MODULES))


async def test_a_kopf_operator_watches_patches_and_cleans_up(cluster: Cluster) -> None:
    kubectl = cluster.kubectl
    await kubectl("create", "namespace", "operated")
    log = cluster.control.folder / "kopf.txt"
    operator = await cluster.control.popen(
        sys.executable, "-m", "kopf", "run", "-n", "operated", "--standalone", str(CLIENTS / "kopf_operator.py"),
        log=log, env={**kubectl.environment, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip

    async def data() -> dict[str, str]:
        return dict((await kubectl.json("get", "configmap", "-n", "operated", "mine")).get("data", {}))

    try:
        await kubectl("create", "configmap", "-n", "operated", "mine")
        await kubectl("label", "configmap", "-n", "operated", "mine", "operated=yes")

        async def seen() -> None:
            assert (await data()).get("seen") == "created", log.read_text()[-2000:]

        await eventually(seen, seconds=30)
        await kubectl("patch", "configmap", "-n", "operated", "mine", "--type=merge", "-p", '{"data":{"wanted":"abc"}}')

        async def answered() -> None:
            assert (await data()).get("answered") == "ABC", log.read_text()[-2000:]

        await eventually(answered, seconds=20)
        assert "the operator was here" in await kubectl("get", "events", "-n", "operated")
        await kubectl("delete", "configmap", "-n", "operated", "mine", "--timeout=20s")
        assert "cleaned up after mine" in log.read_text()
    finally:
        await stop(operator)
    await kubectl("delete", "namespace", "operated", "--wait=false")
