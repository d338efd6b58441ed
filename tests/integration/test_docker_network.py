"""The pod network on the real Docker."""

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
            await runtime.ensure_network(
                name, subnet=f"10.253.{third}.0/24", gateway=f"10.253.{third}.1", bridge=bridge, mtu=1400
            )
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
