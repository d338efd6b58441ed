"""dockerd of a node is killed: without live-restore its pods come back, each once; with it nothing restarts."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cluster import Cluster, eventually
from tests.cluster.load import requests
from tests.cluster.manifests import app_deployment, app_service, manifest
from tests.e2e.pods import FOREVER, log_of, pod, sh, status, until_ready

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

PODS = 4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(("one",)) as made:
        yield made


async def _restart_docker(cluster: Cluster, *options: str) -> None:
    host = cluster.nodes["one"].host
    pid = await asyncio.to_thread(_pid_in, host.folder / "docker.pid")
    containerd = host.folder / "exec" / "containerd" / "containerd.pid"
    containerd_pid = await asyncio.to_thread(_pid_in, containerd)
    os.kill(pid, signal.SIGKILL)
    # Its containerd dies with it; the shims and with them the containers go on.
    for gone in (pid, containerd_pid):
        while await asyncio.to_thread(_lives, gone):
            await asyncio.sleep(0.05)
    # A dockerd that manages its own containerd waits in vain for the one that this file names, even if it is dead.
    await asyncio.to_thread(containerd.unlink, missing_ok=True)
    await asyncio.to_thread((host.folder / "docker.pid").unlink, missing_ok=True)
    await host.start_docker(*options)


def _pid_in(path: Path) -> int:
    return int(path.read_text())


def _lives(pid: int) -> bool:
    """Zombies do not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def _served(cluster: Cluster) -> str:
    """The app with all its pods behind its Service; the cluster IP."""
    await cluster.kubectl.apply(manifest(app_deployment(replicas=PODS), app_service()))
    await cluster.kubectl("rollout", "status", "deployment/app", "--timeout=60s")
    address = str((await cluster.kubectl.json("get", "service", "app"))["spec"]["clusterIP"])
    await eventually(lambda: _answered_by_all(cluster, address), seconds=10)
    return address


async def _answered_by_all(cluster: Cluster, address: str) -> None:
    got = await requests(cluster.nodes["one"].host, address, 80, 4 * PODS)
    assert (len(got.bodies), got.failures) == (PODS, []), got


async def _restarts(cluster: Cluster) -> list[int]:
    pods = (await cluster.kubectl.json("get", "pods", "-l", "app=app"))["items"]
    assert all(any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"]["conditions"]) for pod in pods)
    return [pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods]


async def test_pods_come_back_once_after_docker_was_killed(cluster: Cluster) -> None:
    address = await _served(cluster)
    node = cluster.nodes["one"]
    names = await cluster.kubectl("get", "pods", "-o", "name")
    before = await node.containers()
    assert await _restarts(cluster) == [0] * PODS
    await _restart_docker(cluster)

    async def back() -> None:
        after = await node.containers()
        assert len(after) == 2 * PODS, after
        assert not before.items() & after.items()
        assert await _restarts(cluster) == [1] * PODS
        await _answered_by_all(cluster, address)

    await eventually(back, seconds=20)
    await cluster.nodes_ready()
    assert await cluster.kubectl("get", "pods", "-o", "name") == names
    ips = (await cluster.kubectl("get", "pods", "-o", "jsonpath={.items[*].status.podIP}")).split()
    assert len(set(ips)) == PODS
    # Nothing more happens: no restart that comes late, no second instance.
    settled = await node.containers()
    await asyncio.sleep(3)
    assert await node.containers() == settled
    assert await _restarts(cluster) == [1] * PODS


async def test_nothing_restarts_when_docker_keeps_containers_alive(cluster: Cluster) -> None:
    address = await _served(cluster)
    await _restart_docker(cluster, "--live-restore")
    node = cluster.nodes["one"]

    async def settled() -> None:
        assert len(await node.containers()) == 2 * PODS
        await _restarts(cluster)
        await _answered_by_all(cluster, address)

    await eventually(settled, seconds=20)
    # Probes that would end their pod at the first failure, and pods that are just being started.
    at_once = {"exec": {"command": ["true"]}, "periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 20}
    await cluster.kubectl.apply(
        manifest(pod("probed", sh("echo begun; " + FOREVER, livenessProbe=at_once, readinessProbe=at_once)))
    )
    await until_ready(cluster.kubectl, "probed")
    before, restarts = await node.containers(everything=True), await _restarts(cluster)
    hurried = [f"hurried-{number}" for number in range(3)]
    await cluster.kubectl.apply(
        manifest(*(pod(name, sh("echo begun; " + FOREVER, livenessProbe=at_once)) for name in hurried))
    )
    # Another default driver for logs: pods' logs are wherry's to read whatever it is.
    await _restart_docker(cluster, "--live-restore", "--log-driver=none")
    await asyncio.sleep(3)
    assert before.items() <= (await node.containers(everything=True)).items()
    assert await _restarts(cluster) == restarts
    await _answered_by_all(cluster, address)
    await until_ready(cluster.kubectl, "probed", *hurried)
    for name in ("probed", *hurried):
        container = (await status(cluster.kubectl, name))["containerStatuses"][0]
        assert container["restartCount"] == 0, container
        assert await log_of(cluster.kubectl, name) == ["begun"]
    assert len(await node.containers(everything=True)) == len(before) + 2 * len(hurried)
    await cluster.kubectl("scale", "deployment/app", f"--replicas={PODS + 1}")
    await cluster.kubectl("rollout", "status", "deployment/app", "--timeout=30s")
    assert before.items() <= (await node.containers(everything=True)).items()
