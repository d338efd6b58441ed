"""kill -9 of the agent, the master and the broker under load: no container restarts, nothing acknowledged is lost."""

import asyncio
import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.cluster import Cluster, eventually
from tests.cluster.load import ConstantLoad, requests
from tests.cluster.manifests import app_deployment, app_service, manifest

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


async def _all_containers(cluster: Cluster) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in cluster.nodes.values():
        found |= await node.containers()
    return found


async def _serve(cluster: Cluster) -> str:
    """The app with four ready pods; its cluster IP."""
    await cluster.kubectl.apply(manifest(app_deployment(), app_service()))
    await cluster.kubectl("rollout", "status", "deployment/app", "--timeout=60s")
    address = str((await cluster.kubectl.json("get", "service", "app"))["spec"]["clusterIP"])

    async def answers() -> None:
        got = await requests(cluster.nodes["one"].host, address, 80, 16)
        assert len(got.bodies) == 4, got

    await eventually(answers, seconds=20)

    async def settled() -> None:
        assert len(await _all_containers(cluster)) == 8, "four pods are a sandbox and a container each"

    await eventually(settled, seconds=20)
    return address


async def _scale_works(cluster: Cluster, name: str, replicas: int) -> None:
    """The whole path still works: a change in the API reaches ready pods."""
    await cluster.kubectl("scale", f"deployment/{name}", f"--replicas={replicas}")
    status = await cluster.kubectl.run("rollout", "status", f"deployment/{name}", "--timeout=40s")
    if status.returncode != 0:
        state = await cluster.kubectl("get", "deployments,replicasets,pods,events", "-o", "wide")
        raise AssertionError(f"{status.stdout}{status.stderr}\n{state}")


def broker_pid(cluster: Cluster) -> int:
    """The mosquitto whose configuration lies in this cluster's master folder."""
    folder = str(cluster.control.folder)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if "mosquitto" in command.split("\0")[0] and folder in command:
                return int(entry.name)
    raise AssertionError("the broker does not run")


async def test_killing_an_agent_restarts_no_container(cluster: Cluster) -> None:
    address = await _serve(cluster)
    before = await _all_containers(cluster)
    async with ConstantLoad(cluster.nodes["two"].host, address, 80, rate=50) as load:
        await cluster.nodes["one"].agent.kill()
        await asyncio.sleep(2)
        await cluster.nodes["one"].agent.start()
        await cluster.nodes_ready("one")
        await asyncio.sleep(2)
    assert load.answers.failures == []
    assert await _all_containers(cluster) == before
    await _scale_works(cluster, "app", 5)
    after = await _all_containers(cluster)
    assert before.items() <= after.items()
    await _scale_works(cluster, "app", 4)


async def test_stopping_an_agent_orderly_restarts_no_container(cluster: Cluster) -> None:
    await _serve(cluster)
    before = await _all_containers(cluster)
    await cluster.nodes["two"].agent.restart()
    await cluster.nodes_ready("two")
    await asyncio.sleep(3)
    assert await _all_containers(cluster) == before


async def test_killing_the_master_loses_no_acknowledged_object_and_restarts_nothing(cluster: Cluster) -> None:
    address = await _serve(cluster)
    before = await _all_containers(cluster)
    acknowledged: list[str] = []

    async def write() -> None:
        for number in range(1000):
            name = f"kept-{number}"
            made = await cluster.kubectl.run("create", "configmap", name, f"--from-literal=n={number}", timeout=10)
            if made.returncode != 0:
                return
            acknowledged.append(name)

    async with ConstantLoad(cluster.nodes["one"].host, address, 80, rate=50) as load, asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        await asyncio.sleep(3)
        await cluster.master.kill()
        await asyncio.sleep(1)
        await cluster.master.start()
        await cluster.api_ready()
    await cluster.nodes_ready()
    await asyncio.sleep(2)
    assert load.answers.failures == []
    assert acknowledged
    names = set((await cluster.kubectl("get", "configmaps", "-o", "jsonpath={.items[*].metadata.name}")).split())
    assert set(acknowledged) <= names
    assert await _all_containers(cluster) == before
    await _scale_works(cluster, "app", 5)
    await _scale_works(cluster, "app", 4)


async def test_killing_the_broker_restarts_nothing(cluster: Cluster) -> None:
    address = await _serve(cluster)
    before = await _all_containers(cluster)
    old = broker_pid(cluster)
    async with ConstantLoad(cluster.nodes["one"].host, address, 80, rate=50) as load:
        os.kill(old, signal.SIGKILL)

        async def back() -> None:
            assert broker_pid(cluster) != old

        await eventually(back, seconds=15)
        await asyncio.sleep(3)
    assert load.answers.failures == []
    await _scale_works(cluster, "app", 6)
    assert before.items() <= (await _all_containers(cluster)).items()
    await _scale_works(cluster, "app", 4)
    await cluster.nodes_ready()


async def test_wiping_the_broker_republishes_and_stops_nothing(cluster: Cluster) -> None:
    await _serve(cluster)
    before = await _all_containers(cluster)
    # The master's broker keeps its data in this folder; the master must bring a new one up from nothing.
    data = list(cluster.control.folder.rglob("mosquitto.db"))
    os.kill(broker_pid(cluster), signal.SIGKILL)
    for path in data:
        path.unlink(missing_ok=True)
    await asyncio.sleep(6)
    await cluster.nodes_ready()
    assert await _all_containers(cluster) == before
    await _scale_works(cluster, "app", 5)
    assert before.items() <= (await _all_containers(cluster)).items()
    # A node that starts with an empty disk gets everything again from what was republished.
    await cluster.nodes["one"].agent.stop()
    shutil.rmtree(cluster.nodes["one"].host.folder / "agent" / "checkpoint", ignore_errors=True)
    await cluster.nodes["one"].agent.start()
    await cluster.nodes_ready("one")
    await asyncio.sleep(3)
    assert before.items() <= (await _all_containers(cluster)).items()
