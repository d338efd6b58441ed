"""From `kubectl apply` to Ready and from `kubectl delete` to gone, beside the same containers by docker-py and beside Swarm.

    python -m bench.pod_start [--pods 1 10 50 100] [--runs 3]

As root. Each run, on one engine: (1) docker-py, four threads: a sandbox on a bridge network and an app container joining it,
per pod, then each app stopped and both removed; (2) Swarm: `docker service create --replicas N` until all tasks run;
(3) wherry: apply a Deployment of N until N are Ready, then delete it with its pods. The image is there already, pods have no
probes (Swarm's tasks have none), the containers end at SIGTERM, and nothing else runs on the engine.

A pod's own latencies: for docker-py the calls of one pair; for wherry, as a client's watch sees it, from ADDED to Ready and
from the deletion mark to DELETED.
"""

import argparse
import asyncio
import json
import statistics
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import docker

from bench.report import machine, median_and_range, percentile, table
from tests.cluster import Cluster
from tests.cluster.cluster import IMAGES
from tests.hosts import PAUSE_IMAGE, Host
from tests.hosts.host import stop

_COMMAND = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 100000 & wait $!; done"]


@dataclass(slots=True)
class Latencies:
    """Seconds: of each run all pods together, and each pod of all runs by itself."""

    whole: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)


def raw_containers(host: Host, pods: int, found: Latencies) -> None:
    """`pods` pairs of sandbox and app container, started and ended by docker-py on four threads."""
    client = docker.DockerClient(base_url=host.docker_url, timeout=120)
    api = client.api
    network = client.networks.create("bench-raw", driver="bridge")
    made: list[tuple[str, str]] = []

    def start(_: int) -> float:
        began = time.monotonic()
        sandbox = api.create_container(PAUSE_IMAGE, host_config=api.create_host_config(network_mode="bench-raw"))["Id"]
        api.start(sandbox)
        config = api.create_host_config(network_mode=f"container:{sandbox}")
        app = api.create_container(IMAGES[0], command=_COMMAND, host_config=config)["Id"]
        made.append((sandbox, app))
        api.start(app)
        return time.monotonic() - began

    def end(pair: tuple[str, str]) -> float:
        began = time.monotonic()
        sandbox, app = pair
        api.stop(app, timeout=1)
        api.remove_container(app, force=True)
        api.remove_container(sandbox, force=True)
        return time.monotonic() - began

    try:
        with ThreadPoolExecutor(4) as threads:
            began = time.monotonic()
            found.starts += threads.map(start, range(pods))
            found.whole.append(time.monotonic() - began)
            found.stops += threads.map(end, made)
    finally:
        network.remove()
        client.close()


async def swarm_tasks(host: Host, pods: int) -> float:
    """Seconds until a Swarm service of `pods` replicas has all tasks running."""
    await host.docker("swarm", "init", "--advertise-addr", host.address)
    try:
        image = (await host.docker("image", "inspect", "-f", "{{.Id}}", IMAGES[0])).stdout.strip()
        began = time.monotonic()
        await host.docker(
            "service", "create", "--detach", "--no-resolve-image", "--name", "bench", "--replicas", str(pods), image, *_COMMAND
        )
        while True:
            states = await host.docker("service", "ls", "--format", "{{.Replicas}}")
            if states.stdout.strip() == f"{pods}/{pods}":
                return time.monotonic() - began
            await asyncio.sleep(0.05)
    finally:
        await host.docker("swarm", "leave", "--force")
        while (await host.docker("ps", "-q")).stdout.strip():
            await asyncio.sleep(0.2)


async def wherry_pods(cluster: Cluster, pods: int, found: Latencies) -> None:
    """A Deployment of `pods` replicas, applied until it is Ready, then its pods deleted with it."""
    labels = {"app": "bench"}
    container = {"name": "c", "image": IMAGES[0], "imagePullPolicy": "Never", "command": _COMMAND}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "bench"},
        "spec": {
            "replicas": pods,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 5, "containers": [container]},
            },
        },
    }
    async with _watched(cluster) as seen:
        began = time.monotonic()
        await cluster.kubectl.apply(json.dumps(deployment))
        await cluster.kubectl(
            "wait", "deployment/bench", f"--for=jsonpath={{.status.readyReplicas}}={pods}", "--timeout=300s", timeout=310
        )
        found.whole.append(time.monotonic() - began)
        await cluster.kubectl("delete", "deployment", "bench")
        node = next(iter(cluster.nodes.values()))
        while await node.containers(everything=True) or len(seen["DELETED"]) < pods:
            await asyncio.sleep(0.2)
    found.starts += [seen["Ready"][name] - moment for name, moment in seen["ADDED"].items()]
    found.stops += [moment - seen["marked"][name] for name, moment in seen["DELETED"].items()]


@asynccontextmanager
async def _watched(cluster: Cluster) -> AsyncIterator[dict[str, dict[str, float]]]:
    """When each pod was first seen ADDED, Ready, marked for deletion and DELETED."""
    seen: dict[str, dict[str, float]] = {what: {} for what in ("ADDED", "Ready", "marked", "DELETED")}
    columns = (
        "{.type}",
        "{.object.metadata.name}",
        '{.object.status.conditions[?(@.type=="Ready")].status}',
        "{.object.metadata.deletionTimestamp}",
    )
    template = "|".join(columns) + r'{"\n"}'
    kubectl = cluster.kubectl
    process = await asyncio.create_subprocess_exec(
        *kubectl.host.nsenter,
        kubectl.program,
        *("get", "pods", "--watch", "--output-watch-events", "-o", f"jsonpath={template}"),
        env=kubectl.environment,
        stdout=PIPE,
    )
    assert process.stdout is not None

    async def read(lines: asyncio.StreamReader) -> None:
        async for line in lines:
            now = time.monotonic()
            kind, name, ready, marked = line.decode().strip().split("|")
            for what, holds in (("ADDED", kind == "ADDED"), ("Ready", ready == "True"), ("marked", bool(marked))):
                if holds:
                    seen[what].setdefault(name, now)
            if kind == "DELETED":
                seen["DELETED"].setdefault(name, now)

    try:
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(read(process.stdout))
            await asyncio.sleep(1)  # until the watch runs
            yield seen
            reader.cancel()
    finally:
        await stop(process)


async def measure(sizes: list[int], runs: int) -> str:
    raw, wherry = ({size: Latencies() for size in sizes} for _ in range(2))
    swarm: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(runs):
        async with Cluster(("one",)) as cluster:
            host = cluster.nodes["one"].host
            await cluster.nodes["one"].agent.stop()
            for pods in sizes:
                await asyncio.to_thread(raw_containers, host, pods, raw[pods])
                swarm[pods].append(await swarm_tasks(host, pods))
            await cluster.nodes["one"].agent.start()
            await cluster.nodes_ready()
            for pods in sizes:
                await wherry_pods(cluster, pods, wherry[pods])
    return "\n\n".join(
        (
            f"{machine()}; medians of {runs} runs (lowest to highest)",
            _all_together(sizes, raw, swarm, wherry),
            "Each pod by itself, seconds, p50 / p99:",
            _each(sizes, raw, wherry),
        )
    )


def _all_together(
    sizes: list[int], raw: dict[int, Latencies], swarm: dict[int, list[float]], wherry: dict[int, Latencies]
) -> str:
    rows = []
    for pods in sizes:
        columns = (raw[pods].whole, swarm[pods], wherry[pods].whole)
        ratios = [statistics.median(columns[2]) / statistics.median(other) for other in columns[:2]]
        rows.append([str(pods), *(median_and_range(values, "s") for values in columns), *(f"{one:.2f}" for one in ratios)])
    return table(["pods", "docker-py, 4 threads", "Swarm", "wherry", "wherry / docker-py", "wherry / Swarm"], rows)


def _each(sizes: list[int], raw: dict[int, Latencies], wherry: dict[int, Latencies]) -> str:
    rows = [
        [str(pods), *(f"{percentile(values, 50):.2f} / {percentile(values, 99):.2f}" for values in columns)]
        for pods in sizes
        for columns in [(raw[pods].starts, wherry[pods].starts, raw[pods].stops, wherry[pods].stops)]
    ]
    return table(["pods", "start, docker-py", "start, wherry", "stop, docker-py", "stop, wherry"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, nargs="+", default=[1, 10, 50, 100])
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    print(asyncio.run(measure(arguments.pods, arguments.runs)))


if __name__ == "__main__":
    main()
