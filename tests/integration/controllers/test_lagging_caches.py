"""Controllers whose caches are half a second behind the API never do the same thing twice."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from lightkube.resources.apps_v1 import Deployment, ReplicaSet
from lightkube.resources.core_v1 import Pod, Service
from lightkube.resources.discovery_v1 import EndpointSlice

from master.controllers import ControllerSettings
from tests.integration.controllers.controllers_world import CA, World, open_world, until
from tests.integration.controllers.test_deployment_rollouts import complete, deployment, image_patch
from tests.integration.controllers.test_service_endpoints import ready_count, service


@pytest_asyncio.fixture
async def lagging(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, ControllerSettings(ca_certificate=CA), lag=0.5) as opened:
        await opened.add_node("n1")
        yield opened


async def test_no_pod_is_made_or_deleted_twice(lagging: World) -> None:
    pods = lagging.informers.of(Pod)
    born: list[str] = []
    deaths: list[str] = []

    def watch(old: Pod | None, new: Pod | None) -> None:
        found = new or old
        if found is not None and found.metadata is not None and (old is None or new is None):
            (born if old is None else deaths).append(found.metadata.uid or "")

    pods.add_handler(watch)
    await lagging.apply(Deployment, deployment(replicas=8))
    # Changes that make the controller look again while its cache does not show the pods yet.
    for number in range(5):
        change = {"metadata": {"annotations": {"look": str(number)}}}
        for replica_set in await lagging.client.list(ReplicaSet, "default"):
            assert replica_set.metadata
            await lagging.client.patch(ReplicaSet, replica_set.metadata.name or "", "default", change)
        await lagging.client.patch(Deployment, "web", "default", change)
        await until(lambda: has_replica_sets(lagging), what="a ReplicaSet")
    await until(lambda: complete(lagging), what="complete")
    assert len(born) == 8
    assert len(await lagging.client.list(ReplicaSet, "default")) == 1
    await lagging.client.patch(Deployment, "web", "default", {"spec": {"replicas": 3}})
    await until(lambda: complete(lagging), what="scaled down")
    assert (len(born), len(deaths)) == (8, 5)


async def has_replica_sets(world: World) -> bool:
    return bool(await world.client.list(ReplicaSet, "default"))


async def test_a_rollout_keeps_its_bounds(lagging: World) -> None:
    body = deployment(replicas=4, strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}})
    await lagging.apply(Deployment, body)
    await until(lambda: complete(lagging), what="complete")
    pods = lagging.informers.of(Pod)
    extremes: list[tuple[int, int]] = []

    def watch(old: Pod | None, new: Pod | None) -> None:
        alive = [p for p in pods.list() if p.metadata and not p.metadata.deletionTimestamp]
        ready = [
            p for p in alive if any(c.type == "Ready" and c.status == "True" for c in (p.status and p.status.conditions) or ())
        ]
        extremes.append((len(ready), len(alive)))

    pods.add_handler(watch)
    extremes.clear()
    await lagging.client.patch(
        Deployment, "web", "default", image_patch("app:2"), patch_type="application/strategic-merge-patch+json"
    )
    await until(lambda: complete(lagging), what="rolled out", seconds=40)
    assert min(ready for ready, _ in extremes) >= 3
    assert max(alive for _, alive in extremes) <= 5


async def test_no_slice_is_made_twice(lagging: World) -> None:
    slices = lagging.informers.of(EndpointSlice)
    made: list[str] = []
    slices.add_handler(lambda old, new: made.append("slice") if old is None else None)
    await lagging.apply(Service, service())

    async def there() -> bool:
        return bool(made)

    await until(there, what="a slice")
    for number in range(5):
        await lagging.client.patch(Service, "web", "default", {"metadata": {"labels": {"look": str(number)}}})
    await lagging.apply(Deployment, deployment(replicas=4))

    async def four() -> bool:
        return await ready_count(lagging) == 4

    await until(four, what="four endpoints")
    assert made == ["slice"]
