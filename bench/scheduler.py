"""Pods bound per second: scheduler, API registry, watch cache and SQLite in one process, as the master runs them.

    python -m bench.scheduler [--nodes 1000] [--pods 5490] [--case plain spread anti-affinity ...]

All pods are pending when the scheduler starts; the time runs until an informer shows the last one bound. Beside it, the time
that choosing a node takes alone. The cases are those of Kubernetes' scheduler_perf. The store lies in a temporary folder.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from lightkube.core.resource import Resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Node, Pod, ServiceAccount

from bench.report import machine, table
from master.api.bootstrap import bootstrap
from master.api.build import build_registry
from master.api.settings import ApiSettings
from master.client.local import LocalClient
from master.informer import Informers
from master.scheduler import Scheduler
from master.scheduler.scheduler import DURATION
from master.store.cache import WatchCache
from master.store.sqlite import SQLiteStore

_ZONES = 10
_CREATES_AT_ONCE = 256
_GIVE_UP_SECONDS = 300.0


def _node(number: int) -> Node:
    name = f"node-{number}"
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"zone-{number % _ZONES}"}
    allocatable = {"cpu": "4", "memory": "32Gi", "pods": "110"}
    return msgspec.convert({"metadata": {"name": name, "labels": labels}, "status": {"allocatable": allocatable}}, Node)


def _term(key: str, color: str) -> dict[str, Any]:
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"color": color}}}


def _plain(number: int) -> dict[str, Any]:
    return {}


def _node_affinity(number: int) -> dict[str, Any]:
    zones = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["zone-1", "zone-2", "zone-3", "zone-4"]}
    required = {"nodeSelectorTerms": [{"matchExpressions": [zones]}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def _spread(number: int) -> dict[str, Any]:
    constraint = {"maxSkew": 5, "whenUnsatisfiable": "DoNotSchedule", **_term("topology.kubernetes.io/zone", "blue")}
    return {"topologySpreadConstraints": [constraint]}


def _affinity(number: int) -> dict[str, Any]:
    required = [_term("topology.kubernetes.io/zone", "blue")]
    return {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def _anti_affinity(number: int) -> dict[str, Any]:
    """At most one per node."""
    required = [_term("kubernetes.io/hostname", "blue")]
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


@dataclass(frozen=True, slots=True)
class Case:
    spec: Callable[[int], dict[str, Any]]
    one_per_node: bool = False


CASES = {
    "plain": Case(_plain),
    "node-affinity": Case(_node_affinity),
    "spread": Case(_spread),
    "affinity": Case(_affinity),
    "anti-affinity": Case(_anti_affinity, one_per_node=True),
}


def _pod(number: int, case: Case) -> Pod:
    container = {"name": "pause", "image": "pause", "resources": {"requests": {"cpu": "10m", "memory": "50Mi"}}}
    metadata = {"name": f"pod-{number}", "namespace": "default", "labels": {"color": "blue"}}
    return msgspec.convert({"metadata": metadata, "spec": {"containers": [container], **case.spec(number)}}, Pod)


async def _create(client: LocalClient, objects: Sequence[Resource]) -> None:
    at_once = asyncio.Semaphore(_CREATES_AT_ONCE)

    async def create(obj: Resource) -> None:
        async with at_once:
            await client.create(obj)

    async with asyncio.TaskGroup() as tasks:
        for obj in objects:
            tasks.create_task(create(obj))


class _Bound:
    """Counts bound pods, and tells when all are."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._names: set[str] = set()
        self.all = asyncio.Event()

    def __call__(self, old: Pod | None, new: Pod | None) -> None:
        if new is not None and new.metadata is not None and new.spec is not None and new.spec.nodeName:
            self._names.add(new.metadata.name or "")
            if len(self._names) == self._expected:
                self.all.set()


async def _run(case: Case, nodes: int, pods: int, folder: Path) -> tuple[float, float]:
    """Pods bound per second, and seconds that choosing took for one."""
    store = SQLiteStore(folder / "store.db")
    await store.open()
    cache, settings = WatchCache(store), ApiSettings()
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(cache.run())]
        await cache.synced()
        registry = build_registry(store, cache, settings)
        await registry.open()
        await bootstrap(registry, settings)
        client, informers = LocalClient(registry), Informers(registry)
        await client.create(ServiceAccount(metadata=ObjectMeta(name="default", namespace="default")))
        await _create(client, [_node(number) for number in range(nodes)])
        await _create(client, [_pod(number, case) for number in range(pods)])
        scheduler, bound = Scheduler(client, informers), _Bound(pods)
        running.append(tasks.create_task(informers.run()))
        await informers.synced()
        informers.of(Pod).add_handler(bound)
        chosen, spent = _chosen()
        started = time.perf_counter()
        running.append(tasks.create_task(scheduler.run()))
        async with asyncio.timeout(_GIVE_UP_SECONDS):
            await bound.all.wait()
        seconds = time.perf_counter() - started
        after, spent_after = _chosen()
        for task in running:
            task.cancel()
    await store.close()
    return pods / seconds, (spent_after - spent) / (after - chosen)


def _chosen() -> tuple[float, float]:
    """How many choices the scheduler's histogram has seen, and the seconds that they took."""
    samples = {sample.name: sample.value for metric in DURATION.collect() for sample in metric.samples}
    name = "scheduler_scheduling_algorithm_duration_seconds"
    return samples[f"{name}_count"], samples[f"{name}_sum"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=5490)
    parser.add_argument("--case", nargs="+", choices=list(CASES), default=list(CASES))
    arguments = parser.parse_args()
    rows = []
    for name in arguments.case:
        case = CASES[name]
        pods = min(arguments.pods, arguments.nodes) if case.one_per_node else arguments.pods
        with tempfile.TemporaryDirectory(prefix="wherry-bench-") as folder:
            rate, choice = uvloop.run(_run(case, arguments.nodes, pods, Path(folder)))
        rows.append([name, str(pods), f"{rate:.0f}", f"{choice * 1e6:.0f} µs"])
    print(machine())
    print(table(["case", "pods", "bound per second", "choosing a node"], rows))


if __name__ == "__main__":
    main()
