"""Deployments over the real API: rolling updates, history, rollback, pause, deadline."""

import asyncio
from typing import Any

from lightkube.resources.apps_v1 import Deployment, ReplicaSet
from lightkube.resources.core_v1 import Pod

from tests.integration.controllers.controllers_world import World, until


def deployment(name: str = "web", *, replicas: int = 4, image: str = "app:1", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": image}], "terminationGracePeriodSeconds": 1},
            },
            **spec,
        },
    }


def image_patch(image: str) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}


async def condition(world: World, type_: str, name: str = "web") -> tuple[str | None, str | None]:
    found = await world.client.get(Deployment, name, "default")
    for each in (found.status.conditions if found.status else None) or ():
        if each.type == type_:
            return each.status, each.reason
    return None, None


async def complete(world: World, name: str = "web") -> bool:
    """What `kubectl rollout status` waits for."""
    found = await world.client.get(Deployment, name, "default")
    assert found.metadata
    assert found.spec
    status = found.status
    if status is None or (status.observedGeneration or 0) < (found.metadata.generation or 0):
        return False
    replicas = found.spec.replicas or 0
    return (
        (status.updatedReplicas or 0) == replicas
        and (status.replicas or 0) == replicas
        and (status.availableReplicas or 0) == replicas
        and await condition(world, "Progressing", name) == ("True", "NewReplicaSetAvailable")
    )


async def images(world: World) -> list[str]:
    pods = await world.client.list(Pod, "default")
    alive = [pod for pod in pods if pod.metadata and not pod.metadata.deletionTimestamp]
    return sorted(pod.spec.containers[0].image or "" for pod in alive if pod.spec)


async def test_a_deployment_runs_its_pods_and_says_so(world: World) -> None:
    await world.apply(Deployment, deployment())
    await until(lambda: complete(world), what="complete")
    assert await images(world) == ["app:1"] * 4
    found = await world.client.get(Deployment, "web", "default")
    assert found.metadata
    assert found.metadata.annotations == {"deployment.kubernetes.io/revision": "1"}
    assert found.metadata.generation == 1, "noting the revision is no change that the controller has to observe"
    assert await condition(world, "Available") == ("True", "MinimumReplicasAvailable")
    [replica_set] = await world.client.list(ReplicaSet, "default")
    assert replica_set.metadata
    hash_ = (replica_set.metadata.labels or {})["pod-template-hash"]
    assert replica_set.metadata.name == f"web-{hash_}"

    async def announced() -> bool:
        return await world.events("default", "ScalingReplicaSet") == [f"Scaled up replica set web-{hash_} from 0 to 4"]

    await until(announced, what="the event")


async def test_a_rolling_update_keeps_its_bounds_and_its_history(world: World) -> None:
    await world.apply(Deployment, deployment(strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}))
    await until(lambda: complete(world), what="complete")
    pods = world.informers.of(Pod)
    extremes: list[tuple[int, int]] = []

    def watch(old: Pod | None, new: Pod | None) -> None:
        alive = [p for p in pods.list() if p.metadata and not p.metadata.deletionTimestamp]
        ready = [
            p for p in alive if any(c.type == "Ready" and c.status == "True" for c in (p.status and p.status.conditions) or ())
        ]
        extremes.append((len(ready), len(alive)))

    pods.add_handler(watch)
    extremes.clear()
    await world.client.patch(
        Deployment, "web", "default", image_patch("app:2"), patch_type="application/strategic-merge-patch+json"
    )
    await until(lambda: complete(world), what="rolled out")
    assert await images(world) == ["app:2"] * 4
    assert min(ready for ready, _ in extremes) >= 4
    assert max(alive for _, alive in extremes) <= 5
    revisions = {
        (rs.metadata.annotations or {})["deployment.kubernetes.io/revision"]: (rs.spec.replicas if rs.spec else None)
        for rs in await world.client.list(ReplicaSet, "default")
        if rs.metadata
    }
    assert revisions == {"1": 0, "2": 4}


async def test_going_back_to_a_former_template_reuses_its_replica_set_under_a_new_revision(world: World) -> None:
    await world.apply(Deployment, deployment(replicas=2))
    await until(lambda: complete(world), what="complete")
    for image in ("app:2", "app:1"):
        await world.client.patch(
            Deployment, "web", "default", image_patch(image), patch_type="application/strategic-merge-patch+json"
        )
        await until(lambda: complete(world), what=image)
    sets = await world.client.list(ReplicaSet, "default")
    assert len(sets) == 2
    annotations = [rs.metadata.annotations or {} for rs in sets if rs.metadata and rs.spec and rs.spec.replicas == 2]
    assert [a["deployment.kubernetes.io/revision"] for a in annotations] == ["3"]
    assert [a["deployment.kubernetes.io/revision-history"] for a in annotations] == ["1"]
    assert await images(world) == ["app:1"] * 2


async def test_old_replica_sets_beyond_the_history_limit_go(world: World) -> None:
    await world.apply(Deployment, deployment(replicas=1, revisionHistoryLimit=1))
    await until(lambda: complete(world), what="complete")
    for number in range(2, 5):
        await world.client.patch(
            Deployment, "web", "default", image_patch(f"app:{number}"), patch_type="application/strategic-merge-patch+json"
        )
        await until(lambda: complete(world), what=f"app:{number}")

    async def two_left() -> bool:
        return len(await world.client.list(ReplicaSet, "default")) == 2

    await until(two_left, what="one old ReplicaSet left")


async def test_a_paused_deployment_scales_but_does_not_roll(world: World) -> None:
    await world.apply(Deployment, deployment(replicas=2))
    await until(lambda: complete(world), what="complete")
    await world.client.patch(Deployment, "web", "default", {"spec": {"paused": True}})

    async def paused() -> bool:
        return await condition(world, "Progressing") == ("Unknown", "DeploymentPaused")

    await until(paused, what="paused")
    await world.client.patch(
        Deployment, "web", "default", image_patch("app:2"), patch_type="application/strategic-merge-patch+json"
    )
    await world.client.patch(Deployment, "web", "default", {"spec": {"replicas": 3}})

    async def three() -> bool:
        return await images(world) == ["app:1"] * 3

    await until(three, what="scaled")
    await world.client.patch(Deployment, "web", "default", {"spec": {"paused": None}})
    await until(lambda: complete(world), what="resumed")
    assert await images(world) == ["app:2"] * 3


async def test_recreate_starts_nothing_new_before_the_last_old_pod_is_gone(world: World) -> None:
    await world.apply(Deployment, deployment(replicas=3, strategy={"type": "Recreate"}))
    await until(lambda: complete(world), what="complete")
    pods = world.informers.of(Pod)
    mixed: list[set[str]] = []
    pods.add_handler(lambda old, new: mixed.append({p.spec.containers[0].image or "" for p in pods.list() if p.spec}))
    await world.client.patch(
        Deployment, "web", "default", image_patch("app:2"), patch_type="application/strategic-merge-patch+json"
    )
    await until(lambda: complete(world), what="recreated")
    assert {"app:1", "app:2"} not in mixed
    assert await images(world) == ["app:2"] * 3


async def test_a_rollout_that_does_not_progress_says_so_after_its_deadline_and_recovers(world: World) -> None:
    world.nodes.ready = lambda pod: pod.spec is not None and pod.spec.containers[0].image != "app:bad"
    await world.apply(Deployment, deployment(replicas=2, progressDeadlineSeconds=2, minReadySeconds=0))
    await until(lambda: complete(world), what="complete")
    await world.client.patch(
        Deployment, "web", "default", image_patch("app:bad"), patch_type="application/strategic-merge-patch+json"
    )

    async def exceeded() -> bool:
        return await condition(world, "Progressing") == ("False", "ProgressDeadlineExceeded")

    await until(exceeded, what="deadline exceeded")
    assert (await images(world)).count("app:1") == 2
    await world.client.patch(
        Deployment, "web", "default", image_patch("app:3"), patch_type="application/strategic-merge-patch+json"
    )
    await until(lambda: complete(world), what="recovered")
    assert await images(world) == ["app:3"] * 2


async def test_a_deployment_scales_up_and_down_without_making_too_many_pods(world: World) -> None:
    await world.apply(Deployment, deployment(replicas=3))
    await until(lambda: complete(world), what="complete")
    pods = world.informers.of(Pod)
    most: list[int] = []
    pods.add_handler(lambda old, new: most.append(len(pods.list("default"))))
    for replicas in (12, 1):
        await world.client.patch(Deployment, "web", "default", {"spec": {"replicas": replicas}})
        await until(lambda: complete(world), what=f"{replicas} replicas")
    assert max(most) == 12
    await asyncio.sleep(0.2)
    assert len(await world.client.list(Pod, "default")) == 1
