"""One running cluster per test module: it takes some seconds to start, and what the tests of a module do stays in it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.cluster import Cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    """Two nodes, kube-proxy in nftables mode."""
    async with Cluster() as made:
        yield made
