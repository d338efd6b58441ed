"""The Summary API and the resource metrics, as kubelet writes them."""

from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from agent.stats.filesystem import FileSystem, Taken
from agent.stats.host import Processes
from agent.stats.network import Interface, Network
from agent.stats.rates import Rate
from agent.stats.resource_metrics import resource_metrics
from agent.stats.samples import ContainerDisk, ContainerSample, NodeSample, PodDisk, PodSample, VolumeDisk
from agent.stats.summary import DiskFacts, summary
from agent.stats.targets import ContainerTarget, PodTarget, VolumeTarget
from agent.stats.usage import Memory, Pressure, PressureShare, Swap, Usage

NOW = 1_700_000_000.0
SECOND = 1_000_000_000
SHARE = PressureShare(1.5, 0.5, 0.25, 9000)
ETH0 = Interface("eth0", 100, 1, 200, 2)


def container(name: str, *, cpu: int, memory: int, limit: int | None = None) -> ContainerSample:
    return ContainerSample(
        ContainerTarget(name, f"id-{name}", 7, NOW - 60),
        Usage(
            time=NOW,
            cpu=cpu,
            memory=Memory(memory, memory - 10, memory - 20, 5, 1, limit),
            swap=Swap(3, 8),
            pids=2,
            memory_pressure=Pressure(SHARE, SHARE),
        ),
        Rate(cpu // 10, 10.0, NOW),
    )


TARGET = PodTarget(
    namespace="ns",
    name="web",
    uid="u1",
    started_at=NOW - 90,
    sandbox=ContainerTarget("", "id-sandbox", 6, NOW - 90),
    containers=(),
    volumes_root=Path("/v"),
)
POD = PodSample(
    TARGET,
    container("", cpu=1 * SECOND, memory=100),
    (container("app", cpu=4 * SECOND, memory=1000, limit=2000), container("side", cpu=2 * SECOND, memory=500, limit=600)),
    Network(NOW, ETH0, (ETH0,)),
)
NODE = NodeSample(
    time=NOW,
    usage=Usage(time=NOW, cpu=90 * SECOND, memory=Memory(5000, 4000, 3000, 50, 10, 9000), swap=Swap(0, 0)),
    rate=Rate(SECOND // 2, 10.0, NOW),
    network=Network(NOW, ETH0, (ETH0,)),
    pods=(POD,),
)
DISK = FileSystem(NOW, 10_000, 4_000, 100, 60)
DISKS = DiskFacts(
    root=DISK,
    images=DISK,
    image_bytes=777,
    pods={
        "u1": PodDisk(
            TARGET,
            {"app": ContainerDisk(Taken(NOW, 50, 5), Taken(NOW, 20, 1)), "side": ContainerDisk(None, None)},
            (
                VolumeDisk(VolumeTarget("tmp", ephemeral=True), Path("/v/e/tmp"), DISK, Taken(NOW, 30, 3)),
                VolumeDisk(VolumeTarget("token"), Path("/v/p/token"), DISK, Taken(NOW, 8, 2)),
                VolumeDisk(VolumeTarget("data", claim="data-web"), Path("/v/c/data"), DISK, None),
            ),
        )
    },
)


def made(disk: DiskFacts | None) -> dict[str, Any]:
    return summary("node-1", NODE, boot_time=NOW - 1000, processes=Processes(11, 99), disk=disk)


def test_a_container() -> None:
    app = made(DISKS)["pods"][0]["containers"][0]
    assert app["name"] == "app"
    assert app["startTime"] == "2023-11-14T22:12:20Z"
    assert app["cpu"] == {"time": "2023-11-14T22:13:20Z", "usageNanoCores": 400_000_000, "usageCoreNanoSeconds": 4 * SECOND}
    memory = app["memory"]
    assert (memory["usageBytes"], memory["workingSetBytes"], memory["rssBytes"]) == (1000, 990, 980)
    assert (memory["availableBytes"], memory["pageFaults"], memory["majorPageFaults"]) == (1010, 5, 1)
    assert memory["psi"]["some"] == {"total": 9000, "avg10": 1.5, "avg60": 0.5, "avg300": 0.25}
    assert app["swap"] == {"time": "2023-11-14T22:13:20Z", "swapUsageBytes": 3, "swapAvailableBytes": 5}
    assert (app["rootfs"]["usedBytes"], app["rootfs"]["inodesUsed"], app["logs"]["usedBytes"]) == (50, 5, 20)
    assert (app["rootfs"]["capacityBytes"], app["rootfs"]["availableBytes"]) == (10_000, 4_000)


def test_a_pod_is_the_sum_of_its_containers_and_its_sandbox() -> None:
    pod = made(DISKS)["pods"][0]
    assert pod["podRef"] == {"name": "web", "namespace": "ns", "uid": "u1"}
    assert pod["cpu"]["usageCoreNanoSeconds"] == 7 * SECOND
    assert pod["cpu"]["usageNanoCores"] == 700_000_000
    assert pod["memory"]["workingSetBytes"] == 1570
    assert pod["memory"]["availableBytes"] == 2600 - 1570
    assert pod["process_stats"] == {"process_count": 6}
    assert pod["network"]["name"] == "eth0"
    assert (pod["network"]["rxBytes"], pod["network"]["txErrors"]) == (100, 2)
    assert pod["network"]["interfaces"][0]["txBytes"] == 200
    # The token is none of its ephemeral storage, a claim's volume neither.
    assert (pod["ephemeral-storage"]["usedBytes"], pod["ephemeral-storage"]["inodesUsed"]) == (100, 9)
    volumes = {one["name"]: one for one in pod["volume"]}
    assert volumes["tmp"]["usedBytes"] == 30
    assert volumes["data"]["usedBytes"] == 6_000
    assert volumes["data"]["pvcRef"] == {"name": "data-web", "namespace": "ns"}
    assert "pvcRef" not in volumes["tmp"]


def test_the_node() -> None:
    node = made(DISKS)["node"]
    assert node["nodeName"] == "node-1"
    assert node["cpu"]["usageNanoCores"] == SECOND // 2
    assert node["memory"]["availableBytes"] == 5000
    assert (node["fs"]["usedBytes"], node["fs"]["inodesUsed"], node["fs"]["inodesFree"]) == (6000, 40, 60)
    assert node["runtime"]["imageFs"]["usedBytes"] == 777
    assert node["runtime"]["containerFs"]["usedBytes"] == 50
    assert (node["rlimit"]["maxpid"], node["rlimit"]["curproc"]) == (99, 11)
    assert {one["name"]: one["memory"]["workingSetBytes"] for one in node["systemContainers"]} == {"pods": 1570}


def test_cpu_and_memory_alone() -> None:
    told = made(None)
    assert told["node"].keys() == {"nodeName", "systemContainers", "startTime", "cpu", "memory", "swap"}
    assert told["pods"][0].keys() == {"podRef", "startTime", "containers", "cpu", "memory", "swap"}


def test_the_resource_metrics_have_kubernetes_names_labels_and_times() -> None:
    text = resource_metrics(NODE)
    families = {family.name: family for family in text_string_to_metric_families(text)}
    (app, _) = families["container_cpu_usage_seconds"].samples
    assert app.name == "container_cpu_usage_seconds_total"
    assert app.labels == {"container": "app", "namespace": "ns", "pod": "web"}
    assert (app.value, app.timestamp) == (4.0, NOW)
    (pod,) = families["pod_memory_working_set_bytes"].samples
    assert (pod.labels, pod.value, pod.timestamp) == ({"namespace": "ns", "pod": "web"}, 1570.0, NOW)
    (node,) = families["node_cpu_usage_seconds"].samples
    assert (node.labels, node.value) == ({}, 90.0)
    assert families["container_start_time_seconds"].samples[0].timestamp is None
    assert families["resource_scrape_error"].samples[0].value == 0.0
    assert set(families) == {
        "container_cpu_usage_seconds", "container_memory_working_set_bytes", "container_start_time_seconds",
        "container_swap_limit_bytes", "container_swap_usage_bytes", "node_cpu_usage_seconds",
        "node_memory_working_set_bytes", "node_swap_usage_bytes", "pod_cpu_usage_seconds", "pod_memory_working_set_bytes",
        "pod_swap_usage_bytes", "resource_scrape_error",
    }  # fmt: skip


def test_a_node_that_cannot_be_read_says_so() -> None:
    assert resource_metrics(None).splitlines()[-1] == "resource_scrape_error 1"
