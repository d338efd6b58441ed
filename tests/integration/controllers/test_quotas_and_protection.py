"""Quotas that are counted anew, storage that is protected while it is used, and APIServices of custom resources."""

import asyncio
from typing import Any

import pytest
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apiregistration_v1 import APIService
from lightkube.resources.core_v1 import ConfigMap, PersistentVolume, PersistentVolumeClaim, Pod, ResourceQuota

from master.client.errors import StatusError
from tests.integration.controllers.controllers_world import World, until

Json = dict[str, Any]


def quota(**hard: str) -> Json:
    return {"metadata": {"name": "q", "namespace": "default"}, "spec": {"hard": hard}}


async def is_used(world: World, **wanted: str) -> None:
    async def counted() -> bool:
        found = await world.client.get(ResourceQuota, "q", "default")
        return found.status is not None and found.status.used == wanted and found.status.hard == found.spec.hard  # type: ignore[union-attr]

    await until(counted, what=f"the quota to say {wanted}")


def config_map(name: str) -> Json:
    return {"metadata": {"name": name, "namespace": "default"}}


async def test_a_quota_counts_what_is_there_and_gives_back_what_is_deleted(world: World) -> None:
    async def there() -> bool:
        return bool(await world.client.list(ConfigMap, "default"))

    await until(there, what="the root CA's ConfigMap")
    await world.apply(ConfigMap, config_map("a"))
    await world.apply(ResourceQuota, quota(configmaps="3"))
    await is_used(world, configmaps="2")
    await world.apply(ConfigMap, config_map("b"))
    with pytest.raises(
        StatusError, match="exceeded quota: q, requested: configmaps=1, used: configmaps=3, limited: configmaps=3"
    ):
        await world.apply(ConfigMap, config_map("c"))
    await world.client.delete(ConfigMap, "a", "default")
    await is_used(world, configmaps="2")
    await world.apply(ConfigMap, config_map("c"))
    await world.client.patch(ResourceQuota, "q", "default", {"spec": {"hard": {"configmaps": "9", "secrets": "5"}}})
    await is_used(world, configmaps="3", secrets="0")


async def test_creates_and_counts_at_the_same_time_never_overrun(world: World) -> None:
    await world.apply(ResourceQuota, quota(**{"count/configmaps": "20"}))
    await is_used(world, **{"count/configmaps": "1"})

    async def create(number: int) -> bool:
        try:
            await world.apply(ConfigMap, config_map(f"c{number}"))
        except StatusError as error:
            if error.code != 403:
                raise
            return False
        if number % 3 == 0:
            # Each deletion makes the controller count.
            await world.client.delete(ConfigMap, f"c{number}", "default")
        return True

    most = 0
    for start in range(0, 60, 20):
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(create(start + number)) for number in range(20)]
        assert any(task.result() for task in running) or start
        most = max(most, len(await world.client.list(ConfigMap, "default")))
    assert most <= 20


def pod(name: str, claim: str) -> Json:
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": claim}}
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": [container], "volumes": [volume]}}


async def test_a_finished_pod_s_share_is_given_back(world: World) -> None:
    await world.apply(ResourceQuota, quota(pods="2", **{"requests.cpu": "2"}))
    await is_used(world, pods="0", **{"requests.cpu": "0"})
    await world.apply(Pod, pod("p", "none"))
    await is_used(world, pods="1", **{"requests.cpu": "1"})

    async def running() -> bool:
        found = await world.client.get(Pod, "p", "default")
        return found.status is not None and found.status.phase == "Running"

    await until(running, what="the pod to run")
    await world.client.patch(Pod, "p", "default", {"status": {"phase": "Succeeded"}}, subresource="status")
    await is_used(world, pods="0", **{"requests.cpu": "0"})


async def test_a_claim_stays_while_a_pod_uses_it(world: World) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
    await world.apply(PersistentVolumeClaim, {"metadata": {"name": "data", "namespace": "default"}, "spec": spec})
    await world.apply(Pod, pod("p", "data"))

    async def bound() -> bool:
        found = await world.client.get(Pod, "p", "default")
        return bool(found.spec and found.spec.nodeName)

    await until(bound, what="the pod to be on a node")
    await world.client.delete(PersistentVolumeClaim, "data", "default")
    await asyncio.sleep(0.3)
    kept = await world.client.get(PersistentVolumeClaim, "data", "default")
    assert kept.metadata is not None
    assert kept.metadata.finalizers == ["kubernetes.io/pvc-protection"]
    await world.client.delete(Pod, "p", "default")

    async def gone() -> bool:
        return not await world.client.list(PersistentVolumeClaim, "default")

    await until(gone, what="the claim to be gone")


async def test_a_volume_stays_while_it_is_bound(world: World) -> None:
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/data"}}
    await world.apply(PersistentVolume, {"metadata": {"name": "pv"}, "spec": spec})
    await world.client.patch(PersistentVolume, "pv", "", {"status": {"phase": "Bound"}}, subresource="status")
    await world.client.delete(PersistentVolume, "pv")
    await asyncio.sleep(0.3)
    assert len(await world.client.list(PersistentVolume)) == 1
    await world.client.patch(PersistentVolume, "pv", "", {"status": {"phase": "Released"}}, subresource="status")

    async def gone() -> bool:
        return not await world.client.list(PersistentVolume)

    await until(gone, what="the volume to be gone")


WIDGETS = {
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}],
    },
}


async def test_custom_resources_have_an_api_service_for_as_long_as_they_are_served(world: World) -> None:
    async def names() -> set[str]:
        return {service.metadata.name or "" for service in await world.client.list(APIService) if service.metadata}

    async def served() -> bool:
        return "v1.example.com" in await names()

    async def ended() -> bool:
        return "v1.example.com" not in await names()

    async def restored() -> bool:
        return "v1.apps" in await names()

    await world.apply(CustomResourceDefinition, WIDGETS)
    await until(served, what="the APIService of the custom resource")
    await world.client.delete(APIService, "v1.example.com")
    await until(served, what="the APIService to come back")
    await until(restored, what="the built-in APIService")
    await world.client.delete(APIService, "v1.apps")
    await until(restored, what="the built-in APIService to come back")
    await world.client.delete(CustomResourceDefinition, "widgets.example.com")
    await until(ended, what="the APIService to go")


async def test_objects_of_custom_kinds_count(world: World) -> None:
    await world.apply(CustomResourceDefinition, WIDGETS)
    await world.apply(ResourceQuota, quota(**{"count/widgets.example.com": "1"}))
    await is_used(world, **{"count/widgets.example.com": "0"})
