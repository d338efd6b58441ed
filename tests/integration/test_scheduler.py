"""The scheduler against the real API registry, watch cache and store."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lightkube.models.core_v1 import NodeSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Event, Node, Pod, ServiceAccount

from master.api.bootstrap import bootstrap
from master.api.build import build_registry
from master.api.settings import ApiSettings
from master.client.local import LocalClient
from master.client.protocol import DeleteOptions
from master.informer import Informers
from master.scheduler import Scheduler
from master.store.cache import WatchCache
from master.store.sqlite import SQLiteStore
from tests.unit.master.scheduler.placing import make_node, make_pod


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[LocalClient]:
    """A client of an API in which a scheduler runs."""
    store = SQLiteStore(tmp_path / "store.db")
    await store.open()
    cache = WatchCache(store)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(cache.run())]
        await cache.synced()
        registry = build_registry(store, cache, ApiSettings())
        await registry.open()
        await bootstrap(registry, ApiSettings())
        client = LocalClient(registry)
        await client.create(ServiceAccount(metadata=ObjectMeta(name="default", namespace="default")))
        informers = Informers(registry)
        scheduler = Scheduler(client, informers)
        running += [tasks.create_task(informers.run()), tasks.create_task(scheduler.run())]
        yield client
        for task in running:
            task.cancel()
    await store.close()


async def pod_when(client: LocalClient, name: str, holds: Callable[[Pod], bool]) -> Pod:
    async with asyncio.timeout(10):
        while True:
            pod = await client.get(Pod, name, "default")
            if holds(pod):
                return pod
            await asyncio.sleep(0.01)


async def add_node(client: LocalClient, node: Node) -> None:
    """A node that is ready: its first taint is lifted, as the node lifecycle controller does."""
    created = await client.create(node)
    spec = msgspec.structs.replace(created.spec or NodeSpec(), taints=node.spec.taints if node.spec else None)
    await client.replace(msgspec.structs.replace(created, spec=spec))


def bound(pod: Pod) -> bool:
    return bool(pod.spec and pod.spec.nodeName)


def condition(pod: Pod) -> dict[str, Any]:
    conditions = (pod.status.conditions if pod.status else None) or ()
    found = next((c for c in conditions if c.type == "PodScheduled"), None)
    return msgspec.to_builtins(found) if found else {}


async def events(client: LocalClient, name: str) -> list[tuple[str | None, str | None, str | None]]:
    await asyncio.sleep(0.1)
    found = await client.list(Event, "default", fields={"involvedObject.name": name})
    return [(event.type, event.reason, event.message) for event in found]


async def test_pods_are_bound_and_told_so(client: LocalClient) -> None:
    for name in ("n1", "n2"):
        await add_node(client, make_node(name))
    for number in range(4):
        await client.create(make_pod(f"p{number}", owner="rs"))
    pods = [await pod_when(client, f"p{number}", bound) for number in range(4)]
    assert Counter(pod.spec.nodeName for pod in pods if pod.spec) == {"n1": 2, "n2": 2}
    assert condition(pods[0])["status"] == "True"
    assert pods[0].spec is not None
    assert await events(client, "p0") == [
        ("Normal", "Scheduled", f"Successfully assigned default/p0 to {pods[0].spec.nodeName}")
    ]


async def test_a_pod_that_fits_nowhere_is_told_why_and_bound_when_something_changes(client: LocalClient) -> None:
    await add_node(client, make_node("n1", allocatable={"cpu": "1", "memory": "1Gi", "pods": "10"}))
    await client.create(make_pod("big", requests={"cpu": "2"}))
    pod = await pod_when(client, "big", lambda pod: condition(pod).get("status") == "False")
    message = (
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
        "1 No preemption victims found for incoming pod."
    )
    assert (condition(pod)["reason"], condition(pod)["message"]) == ("Unschedulable", message)
    assert await events(client, "big") == [("Warning", "FailedScheduling", message)]
    await add_node(client, make_node("n2"))
    pod = await pod_when(client, "big", bound)
    assert pod.spec is not None
    assert (pod.spec.nodeName, condition(pod)["status"]) == ("n2", "True")


async def test_a_deleted_pod_makes_room(client: LocalClient) -> None:
    await add_node(client, make_node("n1", allocatable={"cpu": "1", "memory": "1Gi", "pods": "10"}))
    await client.create(make_pod("first", requests={"cpu": "1"}))
    await pod_when(client, "first", bound)
    await client.create(make_pod("second", requests={"cpu": "1"}))
    await pod_when(client, "second", lambda pod: condition(pod).get("status") == "False")
    await client.delete(Pod, "first", "default", DeleteOptions(grace_period_seconds=0))
    await pod_when(client, "second", bound)


async def test_gated_pods_and_those_of_other_schedulers_are_left_alone(client: LocalClient) -> None:
    await add_node(client, make_node("n1"))
    await client.create(make_pod("gated", schedulingGates=[{"name": "example.com/wait"}]))
    await client.create(make_pod("other", schedulerName="somebody-else"))
    await client.create(make_pod("plain"))
    await pod_when(client, "plain", bound)
    for name in ("gated", "other"):
        pod = await client.get(Pod, name, "default")
        assert not bound(pod)
        assert condition(pod).get("reason") != "Unschedulable"


async def test_uncordoning_lets_pods_in(client: LocalClient) -> None:
    await add_node(client, make_node("n1", unschedulable=True))
    await client.create(make_pod("p"))
    await pod_when(client, "p", lambda pod: "were unschedulable" in condition(pod).get("message", ""))
    await client.patch(Node, "n1", "", {"spec": {"unschedulable": None}})
    await pod_when(client, "p", bound)


async def test_no_node_is_overfilled_however_many_come_at_once(client: LocalClient) -> None:
    for number in range(5):
        await add_node(client, make_node(f"n{number}", allocatable={"cpu": "1", "memory": "1Gi", "pods": "10"}))
    async with asyncio.TaskGroup() as tasks:
        for number in range(80):
            tasks.create_task(client.create(make_pod(f"p{number}", requests={"cpu": "100m"})))
    async with asyncio.timeout(10):
        while True:
            pods = await client.list(Pod, "default")
            settled = [pod for pod in pods if bound(pod) or condition(pod).get("status") == "False"]
            if len(settled) == 80:
                break
            await asyncio.sleep(0.02)
    nodes = Counter(pod.spec.nodeName for pod in pods if pod.spec and pod.spec.nodeName)
    assert nodes == {f"n{number}": 10 for number in range(5)}
