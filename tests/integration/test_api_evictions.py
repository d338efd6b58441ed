"""Evictions and PodDisruptionBudgets over a real API: what HTTP answers, and what kubectl drain makes of it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]

PODS = "/api/v1/namespaces/default/pods"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path) as running:
        yield running


@pytest.fixture
async def http(world: ApiWorld) -> AsyncIterator[aiohttp.ClientSession]:
    async with world.http(world.admin()) as session:
        yield session


async def call(http: aiohttp.ClientSession, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
    async with http.request(method, path, json=body) as response:
        return response.status, await response.json()


async def running_pod(http: aiohttp.ClientSession, name: str, *, ready: bool = True) -> None:
    spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "busybox"}]}
    metadata = {"name": name, "labels": {"app": "a"}, "ownerReferences": [OWNER]}
    await call(http, "POST", PODS, {"metadata": metadata, "spec": spec})
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    status = {"phase": "Running", "conditions": conditions}
    code, _ = await call(http, "PUT", f"{PODS}/{name}/status", {"metadata": {"name": name}, "spec": spec, "status": status})
    assert code == 200


OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u", "controller": True}


async def budget(http: aiohttp.ClientSession, name: str = "b", **status: Any) -> None:
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}
    code, created = await call(http, "POST", BUDGETS, {"metadata": {"name": name}, "spec": spec})
    assert code == 201
    if status:
        created["status"] = {"observedGeneration": 1, **status}
        code, _ = await call(http, "PUT", f"{BUDGETS}/{name}/status", created)
        assert code == 200


async def evict(http: aiohttp.ClientSession, name: str, query: str = "", **options: Any) -> tuple[int, Json]:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}, "deleteOptions": options}
    return await call(http, "POST", f"{PODS}/{name}/eviction{query}", body)


async def test_evictions_spend_the_budget_and_then_are_refused(http: aiohttp.ClientSession) -> None:
    for name in ("p1", "p2", "p3"):
        await running_pod(http, name)
    await budget(http, disruptionsAllowed=1, currentHealthy=3, desiredHealthy=2, expectedPods=3)
    assert (await evict(http, "p1", "?dryRun=All"))[0] == 201
    code, status = await evict(http, "p1")
    assert (code, status["status"]) == (201, "Success")
    _, pod = await call(http, "GET", f"{PODS}/p1")
    assert pod["metadata"]["deletionTimestamp"]
    (condition,) = [c for c in pod["status"]["conditions"] if c["type"] == "DisruptionTarget"]
    assert condition["reason"] == "EvictionByEvictionAPI"
    _, spent = await call(http, "GET", f"{BUDGETS}/b")
    assert spent["status"]["disruptionsAllowed"] == 0
    assert set(spent["status"]["disruptedPods"]) == {"p1"}
    assert spent["status"]["conditions"][0]["reason"] == "InsufficientPods"
    code, status = await evict(http, "p2")
    assert (code, status["reason"], status["message"]) == (429, "TooManyRequests", REFUSED)
    message = "The disruption budget b needs 2 healthy pods and has 3 currently"
    assert status["details"]["causes"] == [{"reason": "DisruptionBudget", "message": message}]
    _, pod = await call(http, "GET", f"{PODS}/p2")
    assert "deletionTimestamp" not in pod["metadata"]


async def test_a_budget_that_nobody_counted_yet_is_waited_for(http: aiohttp.ClientSession) -> None:
    await running_pod(http, "p")
    await budget(http)
    async with http.post(
        f"{PODS}/p/eviction", json={"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    ) as response:
        assert response.status == 429
        assert response.headers["Retry-After"] == "10"


async def test_a_pod_that_is_not_ready_goes_as_the_budget_s_policy_says(http: aiohttp.ClientSession) -> None:
    await running_pod(http, "p", ready=False)
    await budget(http, disruptionsAllowed=0, currentHealthy=0, desiredHealthy=1)
    assert (await evict(http, "p"))[0] == 429
    async with http.patch(
        f"{BUDGETS}/b",
        data=json.dumps({"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}}),
        headers={"Content-Type": "application/merge-patch+json"},
    ) as response:
        assert response.status == 200
    assert (await evict(http, "p", gracePeriodSeconds=0))[0] == 201
    assert (await call(http, "GET", f"{PODS}/p"))[0] == 404


async def test_what_serves_nobody_goes_whatever_the_budget_says(http: aiohttp.ClientSession) -> None:
    await call(http, "POST", PODS, {
        "metadata": {"name": "pending", "labels": {"app": "a"}},
        "spec": {"containers": [{"name": "c", "image": "busybox"}]},
    })  # fmt: skip
    await budget(http)
    assert (await evict(http, "pending", preconditions={"resourceVersion": "1"}))[0] == 409
    assert (await evict(http, "pending"))[0] == 201
    assert (await evict(http, "pending"))[0] == 404


async def test_two_budgets_and_other_names_are_refused_as_kubernetes_does(http: aiohttp.ClientSession) -> None:
    await running_pod(http, "p")
    await budget(http, "b1")
    await budget(http, "b2")
    code, status = await evict(http, "p")
    assert (code, status["message"]) == (
        500,
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
    )
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "q"}}
    code, status = await call(http, "POST", f"{PODS}/p/eviction", body)
    assert (code, status["message"]) == (400, "name in URL does not match name in Eviction object")


@pytest.mark.parametrize("version", ["1.27", "1.30", "1.33"])
async def test_kubectl_drain_waits_for_the_budget(world: ApiWorld, http: aiohttp.ClientSession, version: str) -> None:
    await call(http, "POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})
    await running_pod(http, "p1")
    await running_pod(http, "p2")
    await budget(http, disruptionsAllowed=1, currentHealthy=2, desiredHealthy=1, expectedPods=2)
    drain = ("drain", "n1", "--grace-period=0", "--force", "--timeout=2s")
    stopped = await world.kubectl(*drain, version=version)
    assert stopped.code == 1
    assert REFUSED in stopped.err
    _, left = await call(http, "GET", PODS)
    assert len(left["items"]) == 1
    _, counted = await call(http, "GET", f"{BUDGETS}/b")
    counted["status"].update(disruptionsAllowed=1, disruptedPods={})
    await call(http, "PUT", f"{BUDGETS}/b/status", counted)
    drained = await world.ok(*drain, version=version)
    assert "node/n1 drained" in drained
    assert (await call(http, "GET", PODS))[1]["items"] == []
