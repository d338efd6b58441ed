"""The master's store comes back from a backup, as docs/operation.md says: nodes follow it, what it knows runs on untouched."""

from pathlib import Path

import pytest

from tests.cluster import Cluster, eventually
from tests.cluster.manifests import app_deployment, manifest

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]


async def _containers(cluster: Cluster) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in cluster.nodes.values():
        found |= await node.containers()
    return found


async def _deploy(cluster: Cluster, name: str) -> None:
    await cluster.kubectl.apply(manifest(app_deployment(name, replicas=2)))
    await cluster.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")


async def test_a_restored_store_leads_and_touches_only_what_it_does_not_know(cluster: Cluster) -> None:
    await _deploy(cluster, "kept")
    before = await _containers(cluster)
    folder = cluster.control.folder
    store, backup = folder / "master" / "store.db", folder / "backup.db"
    await cluster.control.run("sqlite3", str(store), f".backup {backup}")
    await _deploy(cluster, "later")
    await cluster.master.restart()
    await cluster.api_ready()
    assert len(await _containers(cluster)) == 2 * len(before)

    await cluster.master.stop()
    _restore(backup, store)
    await cluster.master.start()
    await cluster.api_ready()

    async def only_what_was_kept() -> None:
        assert await _containers(cluster) == before

    await eventually(only_what_was_kept, seconds=30)
    await cluster.nodes_ready()
    assert await cluster.kubectl("get", "deployments", "-o", "name") == "deployment.apps/kept\n"
    await _deploy(cluster, "new")
    assert (await _containers(cluster)).items() >= before.items()


def _restore(backup: Path, store: Path) -> None:
    for leftover in ("-wal", "-shm"):
        store.with_name(store.name + leftover).unlink(missing_ok=True)
    store.write_bytes(backup.read_bytes())
