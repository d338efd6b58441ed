"""A master with `broker: mqtts://…` starts none of its own and serves its nodes over the one that it is given."""

import asyncio
from pathlib import Path

import msgspec
import pytest
import yaml

from tests.cluster.waiting import eventually
from tests.integration.master_cluster import master_running, node_running

pytestmark = [pytest.mark.broker, pytest.mark.root]


async def test_nodes_are_served_over_an_external_broker(tmp_path: Path) -> None:
    async with master_running() as master:
        # The files of the broker that this master ran make a fitting external one: same certificates, same ACL.
        port = yaml.safe_load(master.config.read_text())["broker"]["port"]
        await master.stop()
        config = master.folder / "data" / "broker" / "mosquitto.conf"
        external = await asyncio.create_subprocess_exec(
            "mosquitto", "-c", str(config), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            settings = yaml.safe_load(master.config.read_text())
            settings["broker"] = url = f"mqtts://127.0.0.1:{port}"
            master.config.write_text(yaml.safe_dump(settings))
            master.settings = msgspec.structs.replace(master.settings, broker=url)
            await master.start()
            async with node_running(master, "n1", tmp_path):

                async def ready() -> None:
                    async with master.api() as api:
                        node = await api.get("/api/v1/nodes/n1")
                    conditions = {one["type"]: one["status"] for one in node.get("status", {}).get("conditions", [])}
                    assert conditions.get("Ready") == "True"

                await eventually(ready, seconds=20)
            assert external.returncode is None
        finally:
            await master.stop()
            external.terminate()
            await external.wait()
