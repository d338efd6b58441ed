"""ResourceQuota: what is refused, what is charged, and that creates at the same time never use more than is allowed."""

import asyncio
from typing import Any

import pytest

from master.api.admission.plugins.resource_quota import ResourceQuota
from master.api.registry.write_options import IN_PROCESS, WriteOptions
from master.client.errors import StatusError
from master.client.protocol import ResourceRef
from tests.unit.master.api.admission.stored import Stored, request

Json = dict[str, Any]


def quota(hard: Json, used: Json | None = None, name: str = "q", **spec: Any) -> Json:
    return {
        "metadata": {"name": name, "namespace": "a", "resourceVersion": "1"},
        "spec": {"hard": hard, **spec},
        "status": {"hard": hard, "used": dict.fromkeys(hard, "0") if used is None else used},
    }


def pod(cpu: str = "", **spec: Any) -> Json:
    resources = {"requests": {"cpu": cpu}} if cpu else {}
    return {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "c", "resources": resources}], **spec}}


async def used(store: Stored, name: str = "q") -> Json:
    found = await store.read("", "resourcequotas", "a", name)
    assert found is not None
    charged: Json = found["status"]["used"]
    return charged


async def asked(store: Stored, obj: Json, plural: str = "pods", **fields: Any) -> None:
    await ResourceQuota(store, store).validate(request(plural, **fields), obj)


async def test_what_fits_is_charged() -> None:
    store = Stored(resourcequotas=[quota({"pods": "2", "requests.cpu": "1"})])
    await asked(store, pod("400m"))
    await asked(store, pod("400m"))
    assert await used(store) == {"pods": "2", "requests.cpu": "800m"}


async def test_what_does_not_fit_is_refused_and_not_charged() -> None:
    store = Stored(resourcequotas=[quota({"pods": "5", "requests.cpu": "1"}, {"pods": "1", "requests.cpu": "800m"})])
    with pytest.raises(StatusError) as caught:
        await asked(store, pod("400m"))
    assert (caught.value.code, caught.value.reason) == (403, "Forbidden")
    expected = 'pods "x" is forbidden: exceeded quota: q, requested: requests.cpu=400m, used: requests.cpu=800m, '
    assert caught.value.message == f"{expected}limited: requests.cpu=1"
    assert store.writes == 0


async def test_what_must_be_stated_is_named() -> None:
    store = Stored(resourcequotas=[quota({"limits.memory": "1Gi", "requests.cpu": "1"})])
    with pytest.raises(StatusError, match=r"failed quota: q: must specify limits\.memory for: c; requests\.cpu for: c"):
        await asked(store, pod())


async def test_a_quota_that_was_not_counted_yet_refuses() -> None:
    store = Stored(resourcequotas=[quota({"pods": "1"}, {})])
    with pytest.raises(StatusError, match="status unknown for quota: q, resources: pods"):
        await asked(store, pod())


async def test_a_dry_run_is_checked_and_not_charged() -> None:
    store = Stored(resourcequotas=[quota({"pods": "1"})])
    await asked(store, pod(), dry_run=True)
    assert await used(store) == {"pods": "0"}
    await asked(store, pod())
    with pytest.raises(StatusError, match="exceeded quota"):
        await asked(store, pod(), dry_run=True)


async def test_creates_at_the_same_time_never_use_more_than_is_allowed_and_share_writes() -> None:
    store = Stored(resourcequotas=[quota({"pods": "10"})])
    plugin = ResourceQuota(store, store)

    async def outcome(number: int) -> str:
        try:
            await plugin.validate(request("pods", name=f"p{number}"), pod())
        except StatusError as error:
            return error.message
        return ""

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(outcome(number)) for number in range(50)]
    outcomes = [task.result() for task in running]
    assert outcomes.count("") == 10
    assert all("exceeded quota" in text for text in outcomes if text)
    assert await used(store) == {"pods": "10"}
    assert store.writes <= 2


class Slow(Stored):
    """Another writer is faster the first time."""

    beaten = False

    async def update(
        self,
        resource: ResourceRef,
        namespace: str,
        name: str,
        body: Json,
        options: WriteOptions = IN_PROCESS,
        *,
        subresource: str = "",
    ) -> bytes:
        if not self.beaten:
            self.beaten = True
            current = await self.read("", "resourcequotas", namespace, name)
            assert current is not None
            current["status"]["used"] = {"pods": "1"}
            await super().update(resource, namespace, name, current, subresource="status")
        return await super().update(resource, namespace, name, body, subresource=subresource)


async def test_a_quota_that_changed_meanwhile_is_checked_again() -> None:
    store = Slow(resourcequotas=[quota({"pods": "2"})])
    await asked(store, pod())
    assert await used(store) == {"pods": "2"}
    store = Slow(resourcequotas=[quota({"pods": "1"})])
    with pytest.raises(StatusError, match="exceeded quota"):
        await asked(store, pod())


@pytest.mark.parametrize(
    ("scope", "spec", "counts"),
    [
        ("Terminating", {"activeDeadlineSeconds": 5}, True),
        ("Terminating", {}, False),
        ("NotTerminating", {}, True),
        ("BestEffort", {}, True),
        ("NotBestEffort", {}, False),
        ("PriorityClass", {"priorityClassName": "high"}, True),
        ("PriorityClass", {}, False),
        ("CrossNamespacePodAffinity", {}, False),
    ],
)
async def test_scopes_choose_pods(scope: str, spec: Json, counts: bool) -> None:
    store = Stored(resourcequotas=[quota({"pods": "5"}, scopes=[scope])])
    await asked(store, pod(**spec))
    assert await used(store) == {"pods": "1" if counts else "0"}


async def test_a_scope_selector_chooses_priority_classes() -> None:
    expression = {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}
    store = Stored(resourcequotas=[quota({"pods": "5"}, scopeSelector={"matchExpressions": [expression]})])
    await asked(store, pod(priorityClassName="high"))
    await asked(store, pod(priorityClassName="low"))
    assert await used(store) == {"pods": "1"}


@pytest.mark.parametrize(
    ("plural", "group", "obj", "hard"),
    [
        ("configmaps", "", {}, {"configmaps": "5", "count/configmaps": "5"}),
        ("deployments", "apps", {}, {"count/deployments.apps": "5"}),
        ("widgets", "example.com", {}, {"count/widgets.example.com": "5"}),
        ("services", "", {"spec": {"type": "NodePort", "ports": [{}]}}, {"services": "5", "services.nodeports": "5"}),
        ("services", "", {"spec": {"type": "LoadBalancer", "ports": [{}]}}, {"services.loadbalancers": "5"}),
    ],
)
async def test_objects_are_counted(plural: str, group: str, obj: Json, hard: Json) -> None:
    store = Stored(resourcequotas=[quota(hard)])
    await asked(store, obj, plural, group=group)
    assert await used(store) == dict.fromkeys(hard, "1")


async def test_claims_count_their_storage_by_class() -> None:
    hard = {
        "requests.storage": "10Gi",
        "fast.storageclass.storage.k8s.io/requests.storage": "5Gi",
        "persistentvolumeclaims": "3",
    }
    store = Stored(resourcequotas=[quota(hard)])

    def claim(size: str) -> Json:
        return {"metadata": {}, "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": size}}}}

    await asked(store, claim("2Gi"), "persistentvolumeclaims")
    await asked(store, claim("3Gi"), "persistentvolumeclaims", operation="UPDATE", old=claim("2Gi"))
    assert await used(store) == {
        "requests.storage": "3Gi",
        "fast.storageclass.storage.k8s.io/requests.storage": "3Gi",
        "persistentvolumeclaims": "1",
    }
    with pytest.raises(StatusError, match="exceeded quota"):
        await asked(store, claim("6Gi"), "persistentvolumeclaims", operation="UPDATE", old=claim("3Gi"))
    await asked(store, claim("1Gi"), "persistentvolumeclaims", operation="UPDATE", old=claim("3Gi"))


async def test_an_update_of_a_pod_and_events_are_free() -> None:
    store = Stored(resourcequotas=[quota({"pods": "0", "count/events": "0"})])
    await asked(store, pod(), operation="UPDATE", old=pod())
    await asked(store, {}, "events")
    await asked(store, pod(), subresource="status")
    assert store.writes == 0


async def test_a_turned_away_leader_leaves_the_others_their_turn() -> None:
    store = Stored(resourcequotas=[quota({"pods": "5"})])
    plugin = ResourceQuota(store, store)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        first = tasks.create_task(plugin.validate(request("pods"), pod()))
        tasks.create_task(plugin.validate(request("pods"), pod()))
        await asyncio.sleep(0)
        first.cancel()
    assert await used(store) == {"pods": "1"}
