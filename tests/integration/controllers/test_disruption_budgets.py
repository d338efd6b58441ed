"""The disruption controller and evictions together: budgets are counted, spent and counted again."""

from typing import Any

import pytest
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod
from lightkube.resources.policy_v1 import PodDisruptionBudget

from master.api.registry.evictions import Evictions
from master.api.registry.write_options import IN_PROCESS
from master.client.errors import StatusError
from tests.integration.controllers.controllers_world import World, until

Json = dict[str, Any]

SELECTOR: Json = {"matchLabels": {"app": "w"}}


def deployment(replicas: int) -> Json:
    template = {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    return {
        "metadata": {"name": "w", "namespace": "default"},
        "spec": {"replicas": replicas, "selector": SELECTOR, "template": template},
    }


def budget(**spec: Any) -> Json:
    return {"metadata": {"name": "b", "namespace": "default"}, "spec": {"selector": SELECTOR, **spec}}


async def allows(world: World, disruptions: int, *, expected: int) -> None:
    async def counted() -> bool:
        status = (await world.client.get(PodDisruptionBudget, "b", "default")).status
        return status is not None and (status.disruptionsAllowed, status.expectedPods) == (disruptions, expected)

    await until(counted, what=f"the budget to allow {disruptions} of {expected}")


async def test_evictions_stay_within_what_is_counted(world: World) -> None:
    await world.apply(PodDisruptionBudget, budget(maxUnavailable="34%"))
    await world.apply(Deployment, deployment(3))
    await allows(world, 2, expected=3)
    evictions = Evictions(world.registry)
    pods = [pod.metadata.name for pod in await world.client.list(Pod, "default") if pod.metadata and pod.metadata.name]

    async def evict(name: str) -> None:
        await evictions.evict("default", name, {"kind": "Eviction", "metadata": {"name": name}}, IN_PROCESS)

    await evict(pods[0])
    await evict(pods[1])
    with pytest.raises(StatusError) as refused:
        await evict(pods[2])
    assert refused.value.code == 429
    # The ReplicaSet replaces them, and the budget is full again.
    await allows(world, 2, expected=3)
    await world.client.patch(Deployment, "w", "default", {"spec": {"replicas": 6}})
    await allows(world, 3, expected=6)
