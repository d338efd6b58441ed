"""lightkube, synchronous and asyncio. Run by tests/e2e/test_client_libraries.py.

Arguments: kubeconfig, namespace.
"""

import asyncio
import sys

import pytest
from lightkube import AsyncClient, Client, KubeConfig
from lightkube.core.exceptions import ApiError
from lightkube.models.core_v1 import Container, PodSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.types import PatchType

IMAGE = "wherry-test/app:1"


def main(kubeconfig: str, namespace: str) -> None:
    kube = KubeConfig.from_file(kubeconfig)
    client = Client(kube, namespace=namespace)
    container = Container(name="c", image=IMAGE, imagePullPolicy="Never", command=["sh", "-c", "echo said; sleep 1000"])
    spec = PodSpec(containers=[container], terminationGracePeriodSeconds=1)
    client.create(Pod(metadata=ObjectMeta(name="light"), spec=spec))
    client.wait(Pod, "light", for_conditions=["Ready"])
    assert list(client.log("light")) == ["said\n"]
    result = client.exec("light", command=["sh", "-c", "echo plain"], stdout=True, stderr=True)
    assert result.stdout in ("plain\n", b"plain\n"), result
    for patch_type in (PatchType.STRATEGIC, PatchType.MERGE):
        client.patch(Pod, "light", {"metadata": {"labels": {"by": patch_type.name.lower()}}}, patch_type=patch_type)
        assert [pod.metadata.name for pod in client.list(Pod, labels={"by": patch_type.name.lower()})] == ["light"]
    client.delete(Pod, "light", grace_period=1)
    listed = client.list(ConfigMap)
    list(listed)
    begin = listed.resourceVersion
    asyncio.run(config_maps(AsyncClient(kube, namespace=namespace), begin))
    for operation, _ in client.watch(Pod, fields={"metadata.name": "light"}, server_timeout=30):
        if operation == "DELETED":
            break
    with pytest.raises(ApiError, match="not found"):
        client.get(Pod, "light")


async def config_maps(client: AsyncClient, begin: str) -> None:
    await client.create(ConfigMap(metadata=ObjectMeta(name="light"), data={"a": "1"}))
    await client.patch(ConfigMap, "light", {"data": {"a": "2"}}, patch_type=PatchType.MERGE)
    await client.delete(ConfigMap, "light")
    seen = []
    async for operation, obj in client.watch(ConfigMap, fields={"metadata.name": "light"}, resource_version=begin):
        seen.append((operation, obj.data["a"]))
        if operation == "DELETED":
            break
    assert seen == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")], seen


main(*sys.argv[1:])
