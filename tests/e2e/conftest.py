"""One running cluster per test module: it takes some seconds to start, and what the tests of a module do stays in it."""

from collections.abc import AsyncIterator, Generator

import pytest
import pytest_asyncio

from tests.cluster import Cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    """Two nodes, kube-proxy in nftables mode."""
    async with Cluster() as made:
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test's report ends with what the daemons of its cluster said last."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for value in item.funcargs.values():
            found = value[0] if isinstance(value, tuple) else value
            if isinstance(found, Cluster):
                report.sections.append(("daemons", found.logs()))
    return report
