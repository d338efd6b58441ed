"""The client libraries that people use, each in a process of its own, against a real cluster.

Every one creates, watches, patches, deletes and, where it can, runs a command, reads a log and forwards a port.
"""

import json
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cluster import Cluster, Kubectl, eventually
from tests.hosts.host import stop

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

CLIENTS = Path(__file__).with_name("clients")
#: tests/run installs the packages of clients/package.json here.
NODE_MODULES = Path(sys.prefix) / "node"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(nodes=("one",)) as made:
        yield made


def end_of(log: Path) -> str:
    return log.read_text()[-2000:]


async def run(cluster: Cluster, namespace: str, *command: str) -> None:
    """Run a client on the control host in a namespace of its own."""
    await cluster.kubectl("create", "namespace", namespace)
    environment = {**cluster.kubectl.environment, "PYTHONDONTWRITEBYTECODE": "1"}
    await cluster.control.run(*command, str(cluster.kubeconfig), namespace, env=environment, timeout=90)
    await cluster.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.mark.parametrize("client", ["official", "official_asyncio", "with_lightkube", "with_kr8s"])
async def test_a_python_client_works_as_with_kubernetes(cluster: Cluster, client: str) -> None:
    await run(cluster, client.replace("_", "-"), sys.executable, str(CLIENTS / f"{client}.py"))


async def test_the_javascript_client_works_as_with_kubernetes(cluster: Cluster) -> None:
    assert shutil.which("node"), "node is missing: tests/run installs it"
    assert NODE_MODULES.exists(), "the JavaScript client is missing: tests/run installs it"
    await run(cluster, "node", "node", str(CLIENTS / "node_client.mjs"), str(NODE_MODULES))


WIDGETS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.dev"},
    "spec": {
        "group": "example.dev",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "properties": {"size": {"type": "integer", "minimum": 1}}},
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}


async def operate_widget(kubectl: Kubectl, log: Path) -> None:
    """A custom resource that the operator gives a child, keeps it in step with and that takes it along when it goes."""
    widget = {"apiVersion": "example.dev/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "operated"}}

    def child_is(size: str) -> Callable[[], Awaitable[None]]:
        async def check() -> None:
            found = (await kubectl.json("get", "configmap", "-n", "operated", "w-child"))["data"]
            assert found == {"size": size}, end_of(log)

        return check

    await kubectl.apply(json.dumps({**widget, "spec": {"size": 1}}))
    await eventually(child_is("1"), seconds=20)

    async def told() -> None:
        status = (await kubectl.json("get", "widget", "-n", "operated", "w")).get("status", {})
        assert status.get("widget_created") == {"child": "w-child"}, end_of(log)

    await eventually(told, seconds=20)
    await kubectl("patch", "wd", "-n", "operated", "w", "--type=merge", "-p", '{"spec":{"size":2}}')
    await eventually(child_is("2"), seconds=20)
    await kubectl("delete", "widget", "-n", "operated", "w", "--timeout=20s")
    await kubectl("wait", "configmap/w-child", "-n", "operated", "--for=delete", "--timeout=20s")


async def test_a_kopf_operator_watches_patches_and_cleans_up(cluster: Cluster) -> None:
    kubectl = cluster.kubectl
    await kubectl("create", "namespace", "operated")
    await kubectl.apply(json.dumps(WIDGETS))
    await kubectl("wait", "crd/widgets.example.dev", "--for=condition=Established", "--timeout=20s")
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
            assert (await data()).get("seen") == "created", end_of(log)

        await eventually(seen, seconds=30)
        await kubectl("patch", "configmap", "-n", "operated", "mine", "--type=merge", "-p", '{"data":{"wanted":"abc"}}')

        async def answered() -> None:
            assert (await data()).get("answered") == "ABC", end_of(log)

        await eventually(answered, seconds=20)
        assert "the operator was here" in await kubectl("get", "events", "-n", "operated")
        await kubectl("delete", "configmap", "-n", "operated", "mine", "--timeout=20s")
        assert "cleaned up after mine" in log.read_text()
        await operate_widget(kubectl, log)
    finally:
        await stop(operator)
    await kubectl("delete", "namespace", "operated", "--wait=false")
