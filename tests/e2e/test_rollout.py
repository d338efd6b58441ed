"""A rolling update under constant load loses no request, and rollout's commands work."""

import asyncio

import pytest

from tests.cluster import Cluster
from tests.cluster.load import ConstantLoad, requests
from tests.cluster.manifests import app_deployment, app_service, manifest

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


async def test_a_rolling_update_under_load_loses_no_request(cluster: Cluster) -> None:
    await cluster.kubectl.apply(manifest(app_deployment(drain_seconds=3), app_service()))
    await cluster.kubectl("rollout", "status", "deployment/app", "--timeout=60s")
    address = (await cluster.kubectl.json("get", "service", "app"))["spec"]["clusterIP"]
    client = cluster.nodes["one"].host
    await requests(client, address, 80, 8)
    async with ConstantLoad(client, address, 80, rate=100) as load:
        await asyncio.sleep(1)
        await cluster.kubectl("set", "image", "deployment/app", "web=wherry-test/app:2")
        await cluster.kubectl("rollout", "status", "deployment/app", "--timeout=90s", timeout=100)
        await asyncio.sleep(4)
    assert load.answers.failures == []
    assert load.answers.total > 500
    pods = (await cluster.kubectl.json("get", "pods", "-l", "app=app"))["items"]
    running = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    assert [pod["spec"]["containers"][0]["image"] for pod in running] == ["wherry-test/app:2"] * 4


async def test_rollout_history_and_undo(cluster: Cluster) -> None:
    history = await cluster.kubectl("rollout", "history", "deployment/app")
    assert history.split()[-4:] == ["1", "<none>", "2", "<none>"]
    await cluster.kubectl("rollout", "undo", "deployment/app")
    await cluster.kubectl("rollout", "status", "deployment/app", "--timeout=60s")
    deployment = await cluster.kubectl.json("get", "deployment", "app")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "wherry-test/app:1"
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
