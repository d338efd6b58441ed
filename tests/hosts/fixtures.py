"""pytest fixtures over `tests.hosts`; registered by tests/conftest.py. Tests that use them are marked `root`."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.hosts.host import Host
from tests.hosts.switch import Switch


@pytest_asyncio.fixture
async def switch() -> AsyncIterator[Switch]:
    """A switch without hosts."""
    async with Switch() as made:
        yield made


@pytest_asyncio.fixture
async def docker_hosts(switch: Switch) -> list[Host]:
    """Two hosts, `one` and `two`, each with a Docker engine that has the busybox and pause images."""
    return await switch.add_hosts("one", "two", docker=True)
