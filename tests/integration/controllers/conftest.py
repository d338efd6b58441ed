"""The world that controller tests act in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from master.controllers import ControllerSettings
from tests.integration.controllers.controllers_world import CA, World, open_world


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    settings = ControllerSettings(
        ca_certificate=CA,
        node_monitor_period=0.1,
        node_monitor_grace=1.0,
        node_last_will_grace=0.3,
        node_eviction_rate=10.0,
        pod_gc_period=0.2,
        pod_gc_quarantine=0.3,
    )
    async with open_world(tmp_path, settings) as opened:
        for name in ("n1", "n2", "n3"):
            await opened.add_node(name)
        yield opened
