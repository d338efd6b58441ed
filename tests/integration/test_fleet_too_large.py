"""An object that no envelope can carry: its owner is told, the node's other pods go on, nobody asks for it again and again."""

import asyncio
from pathlib import Path

import pytest

from tests.integration.master_cluster import eventually, master_running, node_running, pod
from tests.integration.test_fleet_master import registered, until

pytestmark = pytest.mark.broker

PODS = "/api/v1/namespaces/default/pods"
EVENTS = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dhuge"


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_an_order_that_is_too_large_is_told_and_asked_for_by_nobody(tmp_path: Path) -> None:
    async with master_running() as master, master.api() as api, node_running(master, "n1", tmp_path / "n1") as node:
        await registered(api, node)
        huge = pod("huge", "n1")
        # Within the limit of a request; the defaults of its containers make it grow.
        huge["spec"]["containers"] = [{"name": f"c{number}", "image": "i"} for number in range(45_000)]
        await api.create(PODS, huge)
        small = (await api.create(PODS, pod("small", "n1")))["metadata"]["uid"]
        events = await until(api, EVENTS, lambda found: "OrderTooLarge" in str(found["items"]))
        assert "exceeds the limit of 4194304 bytes" in str(events)
        await eventually(lambda: set(node.desired.pods) == {small})
        await eventually(lambda: node.desired.listed_pods == frozenset({small}))
        hellos = master.log.read_text().count("a node said hello")
        await asyncio.sleep(6)
        assert master.log.read_text().count("a node said hello") == hellos
