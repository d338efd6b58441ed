"""A store that is restored from a backup leads again: nodes follow it, and end what it does not know."""

import asyncio
import shutil
from functools import partial
from pathlib import Path

import pytest

from tests.integration.master_cluster import eventually, master_running, node_running, pod
from tests.integration.test_fleet_master import desired_pod, registered, until

pytestmark = pytest.mark.broker

PODS = "/api/v1/namespaces/default/pods"


async def test_nodes_follow_a_restored_store(tmp_path: Path) -> None:
    async with master_running() as master, node_running(master, "n1", tmp_path / "n1") as node:
        async with master.api() as api:
            await registered(api, node)
            kept = (await api.create(PODS, pod("kept", "n1")))["metadata"]["uid"]
            await eventually(lambda: kept in node.desired.pods)
            node.outbox.pod_status(desired_pod(node, kept), {"phase": "Running"})
            await until(api, f"{PODS}/kept", lambda one: one["status"].get("phase") == "Running")
        assert await master.stop() == 0
        data, backup = master.folder / "data", tmp_path / "backup"
        backup.mkdir()
        for file in data.glob("store.db*"):
            shutil.copy2(file, backup)

        # Two more leaders, of whom the backup knows nothing.
        for _ in range(2):
            await master.start()
            async with master.api() as api:
                await eventually(lambda: node.link.problem == "")
                created = await api.create(PODS, {**pod("", "n1"), "metadata": {"generateName": "later-"}})
                later = created["metadata"]["uid"]
                await eventually(partial(node.desired.pods.__contains__, later))
            assert await master.stop() == 0
        before = node.desired.pods[kept]
        subscription = node.desired.subscribe("pods")

        for file in data.glob("store.db*"):
            file.unlink()
        for file in backup.iterdir():
            shutil.copy2(file, data)
        await master.start()
        await eventually(lambda: set(node.desired.pods) == {kept})
        changed = {change.name for change in await subscription.changes()}
        assert kept not in changed
        assert node.desired.pods[kept] == before
        async with master.api() as api:
            await registered(api, node)
            new = (await api.create(PODS, pod("new", "n1")))["metadata"]["uid"]
            await eventually(lambda: new in node.desired.pods)
            await asyncio.sleep(0.5)
            assert (await api.get(f"{PODS}/kept"))["status"]["phase"] == "Running"
