"""The garbage collector with kinds that no controller of ours makes yet: Jobs, StatefulSets and what they would own."""

from typing import Any

from lightkube.core.resource import NamespacedResource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import ControllerRevision, StatefulSet
from lightkube.resources.batch_v1 import CronJob, Job
from lightkube.resources.core_v1 import ConfigMap, PersistentVolumeClaim

from master.client.errors import StatusError
from master.client.protocol import DeleteOptions
from tests.integration.controllers.controllers_world import World, until

Json = dict[str, Any]

TEMPLATE: Json = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}]}}


async def made(world: World, kind: type[NamespacedResource], name: str, owner: Json | None = None, **body: Any) -> Json:
    """Create an object, and give the reference of its dependents to it."""
    metadata: Json = {"name": name, "namespace": "default"}
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    await world.apply(kind, {"metadata": metadata, **body})
    created = await metadata_of(world, kind, name)
    assert created is not None
    info = kind._api_info.resource
    return {
        "apiVersion": info.api_version,
        "kind": info.kind,
        "name": name,
        "uid": created.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


async def metadata_of(world: World, kind: type[NamespacedResource], name: str) -> ObjectMeta | None:
    try:
        found: Any = await world.client.get(kind, name, "default")
    except StatusError as error:
        if error.code != 404:
            raise
        return None
    metadata: ObjectMeta = found.metadata
    return metadata


async def until_gone(world: World, kind: type[NamespacedResource], name: str) -> None:
    async def gone() -> bool:
        return await metadata_of(world, kind, name) is None

    await until(gone, what=f"{name} to be gone")


async def test_a_job_leaves_its_dependents_unless_it_is_told_otherwise(world: World) -> None:
    job = await made(world, Job, "j", spec={"template": TEMPLATE})
    await made(world, ConfigMap, "of-j", job)
    # Kubernetes keeps what batch/v1 did from its beginning.
    await world.client.delete(Job, "j", "default", DeleteOptions())
    await until_gone(world, Job, "j")
    left = await metadata_of(world, ConfigMap, "of-j")
    assert left is not None
    assert not left.ownerReferences
    job = await made(world, Job, "k", spec={"template": TEMPLATE})
    await made(world, ConfigMap, "of-k", job)
    await world.client.delete(Job, "k", "default", DeleteOptions(propagation_policy="Background"))
    await until_gone(world, ConfigMap, "of-k")


async def test_a_cron_job_takes_its_jobs_and_theirs_along(world: World) -> None:
    cron_job = await made(world, CronJob, "c", spec={"schedule": "@daily", "jobTemplate": {"spec": {"template": TEMPLATE}}})
    job = await made(world, Job, "c-1", cron_job, spec={"template": TEMPLATE})
    await made(world, ConfigMap, "of-c-1", job)
    await world.client.delete(CronJob, "c", "default")
    await until_gone(world, Job, "c-1")
    await until_gone(world, ConfigMap, "of-c-1")


async def test_a_stateful_set_that_is_deleted_in_the_foreground_waits_for_what_blocks_it(world: World) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": TEMPLATE["spec"]["containers"]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "serviceName": "s", "template": template}
    owner = await made(world, StatefulSet, "s", spec=spec)
    await made(world, ControllerRevision, "s-1", owner, data={"spec": {}}, revision=1)
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await made(world, PersistentVolumeClaim, "d-s-0", owner, spec=storage)
    await world.client.patch(ControllerRevision, "s-1", "default", {"metadata": {"finalizers": ["example.com/hold"]}})
    await world.client.delete(StatefulSet, "s", "default", DeleteOptions(propagation_policy="Foreground"))
    await until_gone(world, PersistentVolumeClaim, "d-s-0")
    waiting = await metadata_of(world, StatefulSet, "s")
    assert waiting is not None
    assert waiting.finalizers == ["foregroundDeletion"]
    await world.client.patch(ControllerRevision, "s-1", "default", {"metadata": {"finalizers": None}})
    await until_gone(world, StatefulSet, "s")
