"""A Deployment of four over two nodes behind a Service: every pod gets its share of 4,000 requests."""

from collections.abc import AsyncIterator
from typing import cast

import pytest
import pytest_asyncio

from tests.cluster import Cluster, eventually
from tests.cluster.load import Answers, requests
from tests.cluster.manifests import app_deployment, app_service, manifest

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

REQUESTS = 4000


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["nftables", "userspace"])
async def serving(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Cluster, str]]:
    """A cluster with the app ready on both nodes, and the proxy mode."""
    mode = cast(str, request.param)
    async with Cluster(proxy_mode=mode) as cluster:
        await cluster.kubectl.apply(manifest(app_deployment(), app_service()))
        await cluster.kubectl("rollout", "status", "deployment/app", "--timeout=60s")
        yield cluster, mode


async def _warm(cluster: Cluster, node: str, address: str, port: int) -> None:
    """Wait until this node's proxy reaches all four pods."""

    async def check() -> None:
        answers = await requests(cluster.nodes[node].host, address, port, 40)
        assert len(answers.bodies) == 4, answers
        assert not answers.failures, answers

    await eventually(check, seconds=20)


def _assert_shares(answers: Answers, mode: str) -> None:
    assert answers.failures == []
    assert len(answers.bodies) == 4
    share = REQUESTS / 4
    slack = 0 if mode == "nftables" else share * 0.01
    for pod, times in answers.bodies.items():
        assert abs(times - share) <= slack, f"{pod} answered {times} of {REQUESTS}: {answers.bodies}"


async def test_pods_are_spread_over_both_nodes(serving: tuple[Cluster, str]) -> None:
    cluster, _ = serving
    pods = (await cluster.kubectl.json("get", "pods"))["items"]
    assert {pod["spec"]["nodeName"] for pod in pods} == {"one", "two"}


@pytest.mark.parametrize("node", ["one", "two"])
async def test_the_cluster_ip_shares_requests_exactly(serving: tuple[Cluster, str], node: str) -> None:
    cluster, mode = serving
    service = await cluster.kubectl.json("get", "service", "app")
    address = service["spec"]["clusterIP"]
    await _warm(cluster, node, address, 80)
    _assert_shares(await requests(cluster.nodes[node].host, address, 80, REQUESTS), mode)


@pytest.mark.parametrize("node", ["one", "two"])
async def test_the_node_port_of_each_node_shares_requests_exactly(serving: tuple[Cluster, str], node: str) -> None:
    cluster, mode = serving
    service = await cluster.kubectl.json("get", "service", "app")
    port = service["spec"]["ports"][0]["nodePort"]
    outside = cluster.control
    address = cluster.nodes[node].host.address
    await _warm(cluster, node, service["spec"]["clusterIP"], 80)
    _assert_shares(await requests(outside, address, port, REQUESTS), mode)


async def test_a_pod_reaches_the_service_by_its_names(serving: tuple[Cluster, str]) -> None:
    cluster, _ = serving
    pods = (await cluster.kubectl.json("get", "pods"))["items"]
    names = {pod["metadata"]["name"] for pod in pods}
    for url in ("http://app/", "http://app.default/", "http://app.default.svc.cluster.local/"):
        answer = await cluster.kubectl("exec", pods[0]["metadata"]["name"], "--", "wget", "-q", "-O", "-", url)
        assert answer.strip() in names
