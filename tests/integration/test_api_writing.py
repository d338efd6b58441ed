"""Conflicts, dry runs, names, deletion, finalizers and subresources of writes."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.api_http import CONFIG_MAPS, DEPLOYMENTS, PODS, SERVICES, get, pod, post
from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path) as running:
        yield running


@pytest.fixture
async def http(world: ApiWorld) -> AsyncIterator[aiohttp.ClientSession]:
    async with world.http(world.admin()) as session:
        yield session


async def test_an_update_of_an_old_version_is_a_conflict_and_no_change_is_no_write(http: aiohttp.ClientSession) -> None:
    created = await post(http, CONFIG_MAPS, {"metadata": {"name": "a"}, "data": {"x": "1"}})
    async with http.put(CONFIG_MAPS + "/a", json=created) as response:
        same = await response.json()
    assert same == created
    created["data"] = {"x": "2"}
    async with http.put(CONFIG_MAPS + "/a", json=created) as response:
        changed = await response.json()
    assert int(changed["metadata"]["resourceVersion"]) > int(created["metadata"]["resourceVersion"])
    async with http.put(CONFIG_MAPS + "/a", json=created) as response:
        got = await response.json()
    assert (response.status, got["reason"]) == (409, "Conflict")
    assert got["message"] == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    created["metadata"] = {"name": "a", "uid": "another"}
    async with http.put(CONFIG_MAPS + "/a", json=created) as response:
        assert response.status == 409
    async with http.put(CONFIG_MAPS + "/a", json={"metadata": {"name": "b"}}) as response:
        assert response.status == 400


async def test_many_patches_at_once_all_arrive(http: aiohttp.ClientSession) -> None:
    await post(http, CONFIG_MAPS, {"metadata": {"name": "a"}})
    headers = {"Content-Type": "application/merge-patch+json"}

    async def patch(number: int) -> int:
        data = json.dumps({"data": {f"k{number}": "v"}})
        for _ in range(20):
            async with http.patch(CONFIG_MAPS + "/a", data=data, headers=headers) as response:
                if response.status == 200:
                    return 200
                assert response.status == 409
        return 409

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(patch(number)) for number in range(20)]
    assert {task.result() for task in running} == {200}
    assert len((await get(http, CONFIG_MAPS + "/a"))["data"]) == 20


async def test_only_one_of_many_creates_of_a_name_wins(http: aiohttp.ClientSession) -> None:
    async def create() -> int:
        async with http.post(CONFIG_MAPS, json={"metadata": {"name": "one"}}) as response:
            return response.status

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(create()) for _ in range(10)]
    assert sorted(task.result() for task in running) == [201, *[409] * 9]


async def test_generated_names_differ(http: aiohttp.ClientSession) -> None:
    names = {(await post(http, CONFIG_MAPS, {"metadata": {"generateName": "x-"}}))["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(name.startswith("x-") and len(name) == 7 for name in names)


async def test_a_dry_run_changes_nothing(http: aiohttp.ClientSession) -> None:
    got = await post(http, SERVICES + "?dryRun=All", {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}})
    assert got["spec"]["clusterIP"]
    await get(http, SERVICES + "/a", 404)
    await post(http, CONFIG_MAPS, {"metadata": {"name": "a"}})
    async with http.delete(CONFIG_MAPS + "/a?dryRun=All") as response:
        assert response.status == 200
    await get(http, CONFIG_MAPS + "/a")


async def test_a_pod_is_bound_once_and_then_deleted_gracefully(http: aiohttp.ClientSession) -> None:
    created = await post(http, PODS, pod("p", terminationGracePeriodSeconds=7))
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
    wrong = {**binding, "metadata": {"name": "p", "uid": "other"}}
    await post(http, PODS + "/p/binding", wrong, 409)
    assert (await post(http, PODS + "/p/binding", binding))["status"] == "Success"
    bound = await get(http, PODS + "/p")
    assert bound["spec"]["nodeName"] == "n1"
    assert bound["status"]["conditions"][0]["type"] == "PodScheduled"
    again = await post(http, PODS + "/p/binding", binding, 409)
    assert again["message"].endswith('pod p is already assigned to node "n1"')
    async with http.delete(PODS + "/p") as response:
        going = await response.json()
    assert going["metadata"]["deletionGracePeriodSeconds"] == 7
    assert (await get(http, PODS + "/p"))["metadata"]["deletionTimestamp"]
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0, "preconditions": {"uid": "other"}}
    async with http.delete(PODS + "/p", json=options) as response:
        assert response.status == 409
    options["preconditions"] = {"uid": created["metadata"]["uid"]}
    async with http.delete(PODS + "/p", json=options) as response:
        assert response.status == 200
    await get(http, PODS + "/p", 404)


async def test_an_eviction_deletes_the_pod(http: aiohttp.ClientSession) -> None:
    await post(http, PODS, pod("p"))
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p", "namespace": "default"}}
    assert (await post(http, PODS + "/p/eviction", body))["status"] == "Success"
    await get(http, PODS + "/p", 404)


async def test_a_finalizer_holds_an_object_until_it_is_removed(http: aiohttp.ClientSession) -> None:
    await post(http, CONFIG_MAPS, {"metadata": {"name": "a", "finalizers": ["example.com/hold"]}})
    async with http.delete(CONFIG_MAPS + "/a") as response:
        assert (await response.json())["metadata"]["deletionTimestamp"]
    headers = {"Content-Type": "application/merge-patch+json"}
    more = '{"metadata":{"finalizers":["example.com/more","example.com/hold"]}}'
    async with http.patch(CONFIG_MAPS + "/a", data=more, headers=headers) as response:
        assert response.status == 422
    async with http.patch(CONFIG_MAPS + "/a", data='{"metadata":{"finalizers":null}}', headers=headers) as response:
        assert response.status == 200
    await get(http, CONFIG_MAPS + "/a", 404)


async def test_a_collection_is_deleted_by_selector(http: aiohttp.ClientSession) -> None:
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        await post(http, CONFIG_MAPS, {"metadata": {"name": name, "labels": {"l": label}}})
    async with http.delete(CONFIG_MAPS + "?labelSelector=l%3Dx") as response:
        assert response.status == 200
    assert [item["metadata"]["name"] for item in (await get(http, CONFIG_MAPS))["items"]] == ["c"]


async def test_a_namespace_goes_when_it_is_finalized(http: aiohttp.ClientSession) -> None:
    await post(http, "/api/v1/namespaces", {"metadata": {"name": "team"}})
    async with http.delete("/api/v1/namespaces/team") as response:
        going = await response.json()
    assert going["status"]["phase"] == "Terminating"
    got = await post(http, "/api/v1/namespaces/team/configmaps", {"metadata": {"name": "a"}}, 403)
    assert got["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    going["spec"] = {}
    async with http.put("/api/v1/namespaces/team/finalize", json=going) as response:
        assert response.status == 200
    await get(http, "/api/v1/namespaces/team", 404)
    for name in ("default", "kube-system", "kube-public"):
        async with http.delete(f"/api/v1/namespaces/{name}") as response:
            assert (await response.json())["message"] == f'namespaces "{name}" is forbidden: this namespace may not be deleted'


async def test_scale_is_read_and_written(http: aiohttp.ClientSession) -> None:
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "a"}}, "template": template}
    await post(http, DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": spec})
    scale = await get(http, DEPLOYMENTS + "/d/scale")
    assert (scale["kind"], scale["spec"], scale["status"]) == ("Scale", {"replicas": 2}, {"replicas": 0, "selector": "app=a"})
    scale["spec"]["replicas"] = 5
    async with http.put(DEPLOYMENTS + "/d/scale", json=scale) as response:
        assert (await response.json())["spec"] == {"replicas": 5}
    scaled = await get(http, DEPLOYMENTS + "/d")
    assert (scaled["spec"]["replicas"], scaled["metadata"]["generation"]) == (5, 2)


async def test_status_and_spec_are_written_apart(http: aiohttp.ClientSession) -> None:
    created = await post(http, PODS, pod("p"))
    created["status"]["phase"] = "Running"
    created["metadata"]["labels"] = {"a": "b"}
    async with http.put(PODS + "/p", json=created) as response:
        changed = await response.json()
    assert changed["status"]["phase"] == "Pending"
    changed["status"]["phase"] = "Running"
    changed["spec"]["containers"][0]["image"] = "other"
    async with http.put(PODS + "/p/status", json=changed) as response:
        got = await response.json()
    assert (got["status"]["phase"], got["spec"]["containers"][0]["image"]) == ("Running", "i")


async def test_the_same_event_is_shown_in_both_groups(http: aiohttp.ClientSession) -> None:
    body = {
        "metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        "reason": "Started", "message": "hello", "type": "Normal", "count": 1,
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    await post(http, "/api/v1/namespaces/default/events", body)
    seen = await get(http, "/apis/events.k8s.io/v1/namespaces/default/events/e")
    assert (seen["apiVersion"], seen["note"], seen["regarding"]["name"]) == ("events.k8s.io/v1", "hello", "p")
    listed = await get(http, "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp")
    assert len(listed["items"]) == 1
