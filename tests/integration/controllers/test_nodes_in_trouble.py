"""Nodes over the real API: CIDRs, silence, taints, eviction, orphaned pods."""

import asyncio
from ipaddress import IPv4Network
from typing import Any

from lightkube.resources.core_v1 import Node, Pod

from tests.integration.controllers.controllers_world import World, until
from tests.integration.controllers.test_namespaces_and_garbage import gone

UNREACHABLE = "node.kubernetes.io/unreachable"


def pod(name: str, node: str, *, tolerated_for: int | None = None) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "nodeName": node,
        "containers": [{"name": "c", "image": "app:1"}],
        "terminationGracePeriodSeconds": 1,
    }
    if tolerated_for is not None:
        keys = ("node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready")
        spec["tolerations"] = [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": tolerated_for} for key in keys
        ]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


async def taints(world: World, name: str) -> set[tuple[str, str]]:
    found = await world.client.get(Node, name)
    return {(taint.key, taint.effect) for taint in (found.spec.taints if found.spec else None) or ()}


async def ready(world: World, name: str) -> tuple[str | None, str | None, str | None]:
    found = await world.client.get(Node, name)
    for condition in (found.status.conditions if found.status else None) or ():
        if condition.type == "Ready":
            return condition.status, condition.reason, condition.message
    return None, None, None


async def pod_is(world: World, name: str, status: str) -> bool:
    found = await world.client.get(Pod, name, "default")
    conditions = (found.status.conditions if found.status else None) or ()
    return [c.status for c in conditions if c.type == "Ready"] == [status]


async def settled(world: World) -> bool:
    return all([await taints(world, name) == set() for name in world.nodes.names])


def cut_off(world: World, *names: str) -> None:
    now = asyncio.get_running_loop().time()
    world.nodes.cut_off.update(names)
    world.heartbeats.silent_since.update(dict.fromkeys(names, now))


async def test_every_node_gets_a_pod_cidr_of_its_own(world: World) -> None:
    async def given() -> bool:
        return all(node.spec and node.spec.podCIDR for node in await world.client.list(Node))

    await until(given, what="all nodes have a CIDR")
    nodes = await world.client.list(Node)
    cidrs = [IPv4Network(node.spec.podCIDR or "") for node in nodes if node.spec]
    assert len(set(cidrs)) == 3
    assert all(cidr.prefixlen == 24 and cidr.subnet_of(IPv4Network("10.244.0.0/16")) for cidr in cidrs)
    assert all(node.spec.podCIDRs == [node.spec.podCIDR] for node in nodes if node.spec)


async def test_a_silent_node_turns_unknown_and_its_pods_move(world: World) -> None:
    await until(lambda: settled(world), what="no taints")
    await world.apply(Pod, pod("brief", "n1", tolerated_for=1))
    await world.apply(Pod, pod("patient", "n1", tolerated_for=300))
    await until(lambda: pod_is(world, "patient", "True"), what="running")
    cut_off(world, "n1")

    async def unknown() -> bool:
        return await ready(world, "n1") == ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")

    await until(unknown, what="Unknown")
    await until(lambda: pod_is(world, "patient", "False"), what="its pods are not ready")

    async def tainted() -> bool:
        return await taints(world, "n1") == {(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")}

    await until(tainted, what="taints")

    async def marked() -> bool:
        found = await world.client.get(Pod, "brief", "default")
        return found.metadata is not None and found.metadata.deletionTimestamp is not None

    await until(marked, what="the pod is evicted")
    found = await world.client.get(Pod, "brief", "default")
    conditions = (found.status.conditions if found.status else None) or ()
    assert [(c.reason, c.message) for c in conditions if c.type == "DisruptionTarget"] == [
        ("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
    ]
    patient = await world.client.get(Pod, "patient", "default")
    assert patient.metadata
    assert patient.metadata.deletionTimestamp is None

    async def announced() -> bool:
        return await world.events("default", "TaintManagerEviction") == ["Marking for deletion Pod default/brief"]

    await until(announced, what="the event")
    world.heartbeats.silent_since.clear()
    world.nodes.cut_off.clear()
    await world.report_node("n1")
    world.nodes.look_again()
    await until(lambda: settled(world), what="taints gone on return")
    await until(lambda: pod_is(world, "patient", "True"), what="ready again")


async def test_a_last_will_shortens_the_grace_period(world: World) -> None:
    await until(lambda: settled(world), what="no taints")
    world.heartbeats.wills["n2"] = asyncio.get_running_loop().time()

    async def unknown() -> bool:
        return (await ready(world, "n2"))[0] == "Unknown"

    await until(unknown, what="Unknown", seconds=5)


async def test_nothing_is_evicted_when_every_node_is_silent(world: World) -> None:
    await until(lambda: settled(world), what="no taints")
    await world.apply(Pod, pod("hasty", "n1", tolerated_for=0))
    await until(lambda: pod_is(world, "hasty", "True"), what="running")
    cut_off(world, "n1", "n2", "n3")

    async def all_unknown() -> bool:
        return {(await ready(world, name))[0] for name in ("n1", "n2", "n3")} == {"Unknown"}

    await until(all_unknown, what="all unknown")
    await asyncio.sleep(1.0)
    assert await taints(world, "n1") == {(UNREACHABLE, "NoSchedule")}
    hasty = await world.client.get(Pod, "hasty", "default")
    assert hasty.metadata
    assert hasty.metadata.deletionTimestamp is None


async def test_eviction_taints_come_off_when_the_last_node_falls_silent(world: World) -> None:
    await until(lambda: settled(world), what="no taints")
    cut_off(world, "n1")

    async def evicting() -> bool:
        return (UNREACHABLE, "NoExecute") in await taints(world, "n1")

    async def scheduling_only() -> bool:
        return await taints(world, "n1") == {(UNREACHABLE, "NoSchedule")}

    await until(evicting, what="n1 is evicted")
    cut_off(world, "n2", "n3")
    await until(scheduling_only, what="nothing is evicted any more")


async def test_a_cordoned_node_is_tainted_and_untainted(world: World) -> None:
    await world.client.patch(Node, "n1", "", {"spec": {"unschedulable": True}})

    async def cordoned() -> bool:
        return await taints(world, "n1") == {("node.kubernetes.io/unschedulable", "NoSchedule")}

    await until(cordoned, what="tainted")
    await world.client.patch(Node, "n1", "", {"spec": {"unschedulable": None}})
    await until(lambda: settled(world), what="untainted")


async def test_a_users_no_execute_taint_evicts_those_who_do_not_tolerate_it(world: World) -> None:
    await until(lambda: settled(world), what="no taints")
    await world.apply(Pod, pod("victim", "n1"))
    await until(lambda: pod_is(world, "victim", "True"), what="running")
    taint = {"key": "maintenance", "value": "now", "effect": "NoExecute"}
    await world.client.patch(Node, "n1", "", {"spec": {"taints": [taint]}})

    async def evicted() -> bool:
        return await gone(world, Pod, "victim", "default")

    await until(evicted, what="evicted")
    assert await taints(world, "n1") == {("maintenance", "NoExecute")}


async def test_the_pods_of_a_deleted_node_are_removed(world: World) -> None:
    await world.apply(Pod, pod("lost", "n3"))
    await until(lambda: pod_is(world, "lost", "True"), what="running")
    world.nodes.cut_off.add("n3")
    await world.client.delete(Node, "n3")

    async def collected() -> bool:
        return await gone(world, Pod, "lost", "default")

    await until(collected, what="collected")
