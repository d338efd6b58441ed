"""ReplicaSets over the real API: adoption, release, replacement, whom a smaller size hits."""

from typing import Any

from lightkube.resources.apps_v1 import ReplicaSet
from lightkube.resources.core_v1 import Pod

from tests.integration.controllers.controllers_world import World, until


def replica_set(name: str = "web", *, replicas: int = 3, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": "app:1"}], "terminationGracePeriodSeconds": 1},
            },
            **spec,
        },
    }


async def status(world: World, name: str = "web") -> tuple[int, int, int]:
    found = await world.client.get(ReplicaSet, name, "default")
    if found.status is None:
        return (0, 0, 0)
    return found.status.replicas, found.status.readyReplicas or 0, found.status.availableReplicas or 0


async def test_a_deleted_pod_is_replaced(world: World) -> None:
    await world.apply(ReplicaSet, replica_set())

    async def ready() -> bool:
        return await status(world) == (3, 3, 3)

    await until(ready, what="three ready")
    [victim, *_] = await world.client.list(Pod, "default")
    assert victim.metadata
    await world.client.delete(Pod, victim.metadata.name or "", "default")

    async def replaced() -> bool:
        names = {pod.metadata.name for pod in await world.client.list(Pod, "default") if pod.metadata}
        return victim.metadata is not None and victim.metadata.name not in names and await ready()

    await until(replaced, what="replaced")


async def test_a_matching_orphan_is_adopted_and_a_relabelled_pod_released(world: World) -> None:
    orphan = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "orphan", "namespace": "default", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "app:1"}]},
    }
    await world.apply(Pod, orphan)
    await world.apply(ReplicaSet, replica_set(replicas=2))

    async def adopted() -> bool:
        found = await world.client.get(Pod, "orphan", "default")
        owners = (found.metadata.ownerReferences if found.metadata else None) or []
        return [o.name for o in owners if o.controller] == ["web"] and await status(world) == (2, 2, 2)

    await until(adopted, what="adopted")
    assert len(await world.client.list(Pod, "default")) == 2
    await world.client.patch(Pod, "orphan", "default", {"metadata": {"labels": {"app": "other"}}})

    async def released() -> bool:
        found = await world.client.get(Pod, "orphan", "default")
        return not (found.metadata and found.metadata.ownerReferences) and len(await world.client.list(Pod, "default")) == 3

    await until(released, what="released and replaced")


async def test_the_pod_that_costs_least_to_delete_goes_first(world: World) -> None:
    await world.apply(ReplicaSet, replica_set())

    async def ready() -> bool:
        return await status(world) == (3, 3, 3)

    await until(ready, what="three ready")
    cheap = (await world.client.list(Pod, "default"))[1]
    assert cheap.metadata
    cost = {"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-10"}}}
    await world.client.patch(Pod, cheap.metadata.name or "", "default", cost)
    await world.client.patch(ReplicaSet, "web", "default", {"spec": {"replicas": 2}})

    async def smaller() -> bool:
        return await status(world) == (2, 2, 2) and len(await world.client.list(Pod, "default")) == 2

    await until(smaller, what="two left")
    assert cheap.metadata.name not in {pod.metadata.name for pod in await world.client.list(Pod, "default") if pod.metadata}


async def test_a_pod_counts_as_available_only_after_min_ready_seconds(world: World) -> None:
    await world.apply(ReplicaSet, replica_set(replicas=1, minReadySeconds=2))

    async def ready() -> bool:
        return await status(world) == (1, 1, 0)

    async def available() -> bool:
        return await status(world) == (1, 1, 1)

    await until(ready, what="ready")
    await until(available, what="available")
