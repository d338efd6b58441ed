"""`kubectl top` of every version, metrics.k8s.io behind it, and what a node tells through the node proxy."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from tests.cluster import Cluster, Kubectl, eventually, kubectl_programs
from tests.cluster.manifests import manifest
from tests.e2e.pods import FOREVER, pod, sh, until_ready

pytestmark = [pytest.mark.root, pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]

Json = dict[str, Any]
WANTED: tuple[str, ...] = ("1.27", "1.30", "1.33")
VERSIONS = [version for version in WANTED if version in kubectl_programs()] or ["default"]
MEBIBYTE = 1 << 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    """Two nodes, and two pods: one burns half a core, one does nothing in two containers, probed each second."""
    async with Cluster() as made:
        probe: Json = {"exec": {"command": ["true"]}, "periodSeconds": 1}
        burns = pod("burns", sh("while :; do :; done", resources={"limits": {"cpu": "500m"}}), nodeName="one")
        rests = pod(
            "rests",
            sh(f"dd if=/dev/zero of=/scratch/file bs=1M count=4; {FOREVER}", readinessProbe=probe,
               volumeMounts=[{"name": "scratch", "mountPath": "/scratch"}]),
            sh(FOREVER, "side"),
            nodeName="two", volumes=[{"name": "scratch", "emptyDir": {}}],
        )  # fmt: skip
        for one in (burns, rests):
            one["metadata"]["labels"] = {"app": one["metadata"]["name"]}
        await made.kubectl.apply(manifest(burns, rests))
        await until_ready(made.kubectl, "burns", "rests")
        yield made


@pytest.fixture
def kubectl(cluster: Cluster) -> Kubectl:
    return cluster.kubectl


def rows(text: str) -> dict[str, list[str]]:
    """Lines by their first cell, without the header."""
    return {line.split()[0]: line.split()[1:] for line in text.splitlines()[1:]}


@pytest.mark.parametrize("version", VERSIONS)
async def test_top(cluster: Cluster, version: str) -> None:
    kubectl = cluster.kubectl_of(version)
    nodes = await kubectl("top", "node")
    assert nodes.split("\n")[0].split()[:2] == ["NAME", "CPU(cores)"]
    found = rows(nodes)
    assert found.keys() == {"one", "two"}
    for cpu, cpu_percent, memory, memory_percent in found.values():
        assert int(cpu.removesuffix("m")) > 0
        assert int(memory.removesuffix("Mi")) > 0
        assert cpu_percent.endswith("%")
        assert memory_percent.endswith("%")

    pods = rows(await kubectl("top", "pod"))
    assert pods.keys() == {"burns", "rests"}
    # It is held to half a core, and gets as much of it as the machine has left.
    assert 50 < int(pods["burns"][0].removesuffix("m")) < 650
    assert int(pods["rests"][0].removesuffix("m")) < int(pods["burns"][0].removesuffix("m"))
    assert all(pod[1].endswith("Mi") for pod in pods.values())
    by_container = (await kubectl("top", "pod", "rests", "--containers")).splitlines()
    assert [line.split()[:2] for line in by_container] == [["POD", "NAME"], ["rests", "main"], ["rests", "side"]]
    assert list(rows(await kubectl("top", "pod", "--sort-by=cpu"))) == ["burns", "rests"]
    assert rows(await kubectl("top", "pod", "-l", "app=rests")).keys() == {"rests"}
    everywhere = (await kubectl("top", "pod", "-A", "--sum", "--no-headers")).splitlines()
    assert ["default", "burns"] in [line.split()[:2] for line in everywhere]
    assert len(everywhere[-1].split()) == 2


async def test_the_metrics_api_is_discovered_and_printed(kubectl: Kubectl) -> None:
    resources = await kubectl("api-resources", "--api-group=metrics.k8s.io", "--no-headers")
    assert sorted(line.split() for line in resources.splitlines()) == [
        ["nodes", "metrics.k8s.io/v1beta1", "false", "NodeMetrics"],
        ["pods", "metrics.k8s.io/v1beta1", "true", "PodMetrics"],
    ]
    service = (await kubectl("get", "apiservice", "v1beta1.metrics.k8s.io", "--no-headers")).split()
    assert service[:3] == ["v1beta1.metrics.k8s.io", "Local", "True"]
    table = (await kubectl("get", "pods.metrics.k8s.io")).splitlines()
    assert table[0].split() == ["NAME", "CPU", "MEMORY", "WINDOW"]
    assert "usage" in await kubectl("explain", "--api-version=metrics.k8s.io/v1beta1", "nodes")
    metrics = json.loads(await kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/rests"))
    assert [container["name"] for container in metrics["containers"]] == ["main", "side"]
    missing = await kubectl.run("get", "pods.metrics.k8s.io", "none", check=False)
    assert 'podmetrics.metrics.k8s.io "default/none" not found' in missing.stderr
    # Everything else is another kind's.
    refused = await kubectl.run("delete", "pods.metrics.k8s.io", "rests", check=False)
    assert "MethodNotAllowed" in refused.stderr
    assert (await kubectl("get", "pod", "rests", "-o", "name")).strip() == "pod/rests"


async def test_the_summary_api(kubectl: Kubectl) -> None:
    summary = json.loads(await kubectl("get", "--raw", "/api/v1/nodes/two/proxy/stats/summary"))
    node = summary["node"]
    assert node["nodeName"] == "two"
    assert node["cpu"]["usageNanoCores"] > 0
    assert node["memory"]["workingSetBytes"] > MEBIBYTE
    assert node["fs"]["capacityBytes"] > node["fs"]["usedBytes"] > 0
    assert node["runtime"]["imageFs"]["usedBytes"] > MEBIBYTE
    assert node["rlimit"]["curproc"] > 0
    (rests,) = [one for one in summary["pods"] if one["podRef"]["name"] == "rests"]
    assert [container["name"] for container in rests["containers"]] == ["main", "side"]
    for container in rests["containers"]:
        assert container["memory"]["workingSetBytes"] > 0
        assert container["rootfs"]["usedBytes"] >= 0
        assert container["logs"]["usedBytes"] >= 0
    assert rests["network"]["name"] == "eth0"
    volumes = {volume["name"]: volume for volume in rests["volume"]}
    assert 4 * MEBIBYTE <= volumes["scratch"]["usedBytes"] < 6 * MEBIBYTE
    assert rests["ephemeral-storage"]["usedBytes"] >= 4 * MEBIBYTE
    small = json.loads(await kubectl("get", "--raw", "/api/v1/nodes/two/proxy/stats/summary?only_cpu_and_memory=true"))
    assert "fs" not in small["node"]


async def test_a_nodes_metrics(kubectl: Kubectl) -> None:
    async def families(path: str) -> dict[str, Any]:
        text = await kubectl("get", "--raw", f"/api/v1/nodes/two/proxy/metrics{path}")
        return {family.name: family for family in text_string_to_metric_families(text)}

    resource = await families("/resource")
    at = {"container": "side", "namespace": "default", "pod": "rests"}
    for name in ("container_cpu_usage_seconds", "container_memory_working_set_bytes", "container_start_time_seconds"):
        assert at in [sample.labels for sample in resource[name].samples]
    assert resource["resource_scrape_error"].samples[0].value == 0
    probes = (await families("/probes"))["prober_probe"].samples
    assert [(one.labels["probe_type"], one.labels["result"], one.labels["pod"]) for one in probes][-1] == (
        "Readiness", "successful", "rests"
    )  # fmt: skip
    own = await families("")
    assert own["kubelet_running_pods"].samples[0].value == 1
    assert {sample.labels["container_state"]: sample.value for sample in own["kubelet_running_containers"].samples} == {
        "running": 2.0
    }
    assert own["kubelet_pod_start_duration_seconds"].samples
    started = [one for one in own["kubelet_runtime_operations"].samples if one.labels["operation_type"] == "start_container"]
    assert started[0].value >= 3


async def test_who_may_view_may_see_metrics(cluster: Cluster, kubectl: Kubectl) -> None:
    await kubectl("create", "serviceaccount", "viewer")
    await kubectl("create", "rolebinding", "viewer", "--clusterrole=view", "--serviceaccount=default:viewer")
    as_viewer = ("--as=system:serviceaccount:default:viewer",)

    async def allowed() -> None:
        assert rows(await kubectl("top", "pod", *as_viewer)).keys() == {"burns", "rests"}

    await eventually(allowed, seconds=5)
    refused = await kubectl.run("top", "node", *as_viewer, check=False)
    assert "forbidden" in refused.stderr


async def test_a_node_that_is_away_is_missing(cluster: Cluster, kubectl: Kubectl) -> None:
    await cluster.nodes["two"].agent.kill()

    async def missing() -> None:
        found = rows(await kubectl("top", "node"))
        assert found["one"][0] != "<unknown>"
        assert found.get("two", ["<unknown>"])[0] == "<unknown>"
        assert rows(await kubectl("top", "pod")).keys() == {"burns"}

    # What it said last is good for 15 seconds.
    await eventually(missing, seconds=30)
