"""The pod network on the real Docker."""

import io
import tarfile
import uuid
from collections.abc import AsyncIterator

import docker
import pytest

from agent.runtime.docker import DockerRuntime

pytestmark = [pytest.mark.docker, pytest.mark.root]

DOCKER = "unix:///run/docker.sock"


@pytest.fixture
async def name() -> AsyncIterator[str]:
    made = f"wherry-test-{uuid.uuid4().hex[:8]}"
    yield made
    client = docker.APIClient(DOCKER, version="auto")
    client.remove_network(made)
    client.close()


async def test_the_network_is_made_without_masquerading_kept_and_replaced_when_its_subnet_changes(name: str) -> None:
    client = docker.APIClient(DOCKER, version="auto")
    bridge = f"wt{name[-8:]}"
    async with DockerRuntime(DOCKER) as runtime:

        async def ensure(third: int) -> dict[str, object]:
            made = await runtime.ensure_network(
                name, subnet=f"10.253.{third}.0/24", gateway=f"10.253.{third}.1", bridge=bridge, mtu=1400
            )
            assert made == 1400
            return dict(client.inspect_network(name))

        first = await ensure(7)
        assert first["Options"] == {
            "com.docker.network.bridge.name": bridge,
            "com.docker.network.bridge.enable_ip_masquerade": "false",
            "com.docker.network.driver.mtu": "1400",
        }
        assert (await ensure(7))["Id"] == first["Id"]
        second = await ensure(8)
        assert second["Id"] != first["Id"]
    client.close()


async def test_another_mtu_replaces_the_network_only_while_nothing_uses_it(name: str) -> None:
    client = docker.APIClient(DOCKER, version="auto")
    image = f"{name}:1"
    client.import_image_from_data(_busybox(), repository=name, tag="1")
    user = ""
    try:
        async with DockerRuntime(DOCKER) as runtime:

            async def ensure(mtu: int) -> int:
                return await runtime.ensure_network(
                    name, subnet="10.253.9.0/24", gateway="10.253.9.1", bridge=f"wt{name[-8:]}", mtu=mtu
                )

            assert await ensure(1500) == 1500
            assert await ensure(1400) == 1400
            host = client.create_host_config(network_mode=name)
            user = client.create_container(image, command=["/bin/busybox", "sleep", "600"], host_config=host)["Id"]
            client.start(user)
            before = client.inspect_network(name)["Id"]
            assert await ensure(1450) == 1400
            assert client.inspect_network(name)["Id"] == before
    finally:
        if user:
            client.remove_container(user, force=True)
        client.remove_image(image)
        client.close()


def _busybox() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add("/bin/busybox", "bin/busybox")
    return buffer.getvalue()
