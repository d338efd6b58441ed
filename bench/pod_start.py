"""From `kubectl apply` to all Ready, beside the same containers by docker-py and beside Swarm, on one engine in one run.

    python -m bench.pod_start [--pods 10 50] [--runs 3]

As root. Each run: (1) docker-py, four threads: a sandbox on a bridge network and an app container joining it, per pod;
(2) Swarm: `docker service create --replicas N` until all tasks run; (3) wherry: apply a Deployment of N until N are Ready. The
image is there already, the pods have no probes (Swarm's tasks have none), and nothing else runs on the engine.
"""

import argparse
import asyncio
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import docker

from bench.report import machine, median_and_range, table
from tests.cluster import Cluster
from tests.cluster.cluster import IMAGES
from tests.hosts import PAUSE_IMAGE, Host

_COMMAND = ["sleep", "100000"]


def raw_containers(host: Host, pods: int) -> float:
    """Seconds until `pods` pairs of sandbox and app container run, by docker-py on four threads."""
    client = docker.DockerClient(base_url=host.docker_url, timeout=120)
    api = client.api
    network = client.networks.create("bench-raw", driver="bridge")
    made: list[str] = []

    def start(_: int) -> None:
        sandbox = api.create_container(PAUSE_IMAGE, host_config=api.create_host_config(network_mode="bench-raw"))["Id"]
        made.append(sandbox)
        api.start(sandbox)
        config = api.create_host_config(network_mode=f"container:{sandbox}")
        app = api.create_container(IMAGES[0], command=_COMMAND, host_config=config)["Id"]
        made.append(app)
        api.start(app)

    try:
        began = time.monotonic()
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(start, range(pods)))
        return time.monotonic() - began
    finally:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda container: api.remove_container(container, force=True), made))
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


async def wherry_pods(cluster: Cluster, pods: int) -> float:
    """Seconds from the start of `kubectl apply` until the Deployment has `pods` ready replicas."""
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
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
            },
        },
    }
    began = time.monotonic()
    await cluster.kubectl.apply(json.dumps(deployment))
    await cluster.kubectl(
        "wait", "deployment/bench", f"--for=jsonpath={{.status.readyReplicas}}={pods}", "--timeout=300s", timeout=310
    )
    seconds = time.monotonic() - began
    await cluster.kubectl("delete", "deployment", "bench")
    node = next(iter(cluster.nodes.values()))
    while await node.containers(everything=True):
        await asyncio.sleep(0.2)
    return seconds


async def measure(sizes: list[int], runs: int) -> str:
    measured: dict[tuple[int, str], list[float]] = {}
    for _ in range(runs):
        async with Cluster(("one",)) as cluster:
            host = cluster.nodes["one"].host
            await cluster.nodes["one"].agent.stop()
            for pods in sizes:
                measured.setdefault((pods, "raw"), []).append(await asyncio.to_thread(raw_containers, host, pods))
                measured.setdefault((pods, "swarm"), []).append(await swarm_tasks(host, pods))
            await cluster.nodes["one"].agent.start()
            await cluster.nodes_ready()
            for pods in sizes:
                measured.setdefault((pods, "wherry"), []).append(await wherry_pods(cluster, pods))
    rows = []
    for pods in sizes:
        raw, swarm, wherry = (measured[pods, what] for what in ("raw", "swarm", "wherry"))
        ratios = [statistics.median(wherry) / statistics.median(other) for other in (raw, swarm)]
        rows.append(
            [
                str(pods),
                *(median_and_range(values, "s") for values in (raw, swarm, wherry)),
                f"{ratios[0]:.2f}",
                f"{ratios[1]:.2f}",
            ]
        )
    header = ["pods", "docker-py, 4 threads", "Swarm", "wherry", "wherry / docker-py", "wherry / Swarm"]
    return f"{machine()}; medians of {runs} runs (lowest to highest)\n\n{table(header, rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    print(asyncio.run(measure(arguments.pods, arguments.runs)))


if __name__ == "__main__":
    main()
