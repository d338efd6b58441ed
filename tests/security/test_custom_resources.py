"""Definitions of custom resources as a way around rights, admission and schemas."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC = "/apis/rbac.authorization.k8s.io"
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path) as running:
        yield running


@pytest.fixture
async def http(world: ApiWorld) -> AsyncIterator[aiohttp.ClientSession]:
    async with world.http(world.admin()) as session:
        yield session


async def sent(http: aiohttp.ClientSession, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
    media_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
    data = None if body is None else json.dumps(body)
    async with http.request(method, path, data=data, headers={"Content-Type": media_type}) as response:
        text = await response.text()
        return response.status, json.loads(text) if text.startswith("{") else {"message": text}


def version(name: str, schema: Json | None = None, *, storage: bool = True, **more: Any) -> Json:
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema or OPEN}, **more}


def definition(plural: str, kind: str, *versions: Json, group: str = "example.com", scope: str = "Namespaced") -> Json:
    annotations = {"api-approved.kubernetes.io": "unapproved, an attack"} if group.endswith("k8s.io") else {}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": annotations},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"plural": plural, "kind": kind},
            "versions": list(versions) or [version("v1")],
        },
    }


async def settled(http: aiohttp.ClientSession, name: str) -> dict[str, str]:
    """The conditions that a definition gets: type to status."""
    async with asyncio.timeout(10):
        while True:
            _, found = await sent(http, "GET", f"{DEFINITIONS}/{name}")
            conditions = {one["type"]: one["status"] for one in (found.get("status") or {}).get("conditions") or ()}
            if "NamesAccepted" in conditions:
                return conditions
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("plural", "kind", "group", "api_version"),
    [
        ("roles", "Role", "rbac.authorization.k8s.io", "v1"),
        ("roles", "Role", "rbac.authorization.k8s.io", "v2"),
        ("roles", "Harmless", "rbac.authorization.k8s.io", "v2"),
        ("clusterrolebindings", "ClusterRoleBinding", "rbac.authorization.k8s.io", "v1beta1"),
        ("harmless", "ClusterRole", "rbac.authorization.k8s.io", "v2"),
        ("customresourcedefinitions", "CustomResourceDefinition", "apiextensions.k8s.io", "v2"),
        ("validatingadmissionpolicies", "X", "admissionregistration.k8s.io", "v2"),
    ],
)
async def test_a_definition_never_stands_in_for_a_built_in_kind(
    http: aiohttp.ClientSession, plural: str, kind: str, group: str, api_version: str
) -> None:
    """Its objects would lie where the built-in ones do, unchecked, and its end would delete those."""
    before = (await sent(http, "GET", f"{RBAC}/v1/namespaces/kube-system/roles"))[1]
    assert before["items"]
    code, answer = await sent(http, "POST", DEFINITIONS, definition(plural, kind, version(api_version), group=group))
    assert code == 201, answer
    assert await settled(http, f"{plural}.{group}") == {
        "NamesAccepted": "False",
        "Established": "False",
        "KubernetesAPIApprovalPolicyConformant": "False",
    }
    if api_version != "v1":
        code, answer = await sent(http, "GET", f"/apis/{group}/{api_version}/{plural}")
        assert code == 404, answer
        role = {"metadata": {"name": "all"}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}
        path = f"/apis/{group}/{api_version}/namespaces/default/{plural}"
        assert (await sent(http, "POST", path, role))[0] in (404, 405)
    assert (await sent(http, "DELETE", f"{DEFINITIONS}/{plural}.{group}"))[0] == 200
    async with asyncio.timeout(10):
        while (await sent(http, "GET", f"{DEFINITIONS}/{plural}.{group}"))[0] != 404:
            await asyncio.sleep(0.02)
    after = (await sent(http, "GET", f"{RBAC}/v1/namespaces/kube-system/roles"))[1]
    assert [one["metadata"]["uid"] for one in after["items"]] == [one["metadata"]["uid"] for one in before["items"]]


async def test_no_version_is_without_a_schema_and_no_group_without_a_dot(http: aiohttp.ClientSession) -> None:
    bare = version("v1")
    del bare["schema"]
    for made, field in (
        (definition("foos", "Foo", bare), "spec.versions[0].schema.openAPIV3Schema"),
        (definition("foos", "Foo", version("v1"), version("v2", storage=False) | {"schema": {}}), "spec.versions[1].schema"),
        (definition("pods", "Pod", group="apps"), "spec.group"),
        (definition("pods", "Pod", group="core"), "spec.group"),
        (definition("pods", "Pod", group=""), "spec.group"),
        (definition("foos", "Foo", version("v1"), version("v2")), "spec.versions"),
        ({**definition("foos", "Foo"), "metadata": {"name": "pods.example.com"}}, "metadata.name"),
    ):
        code, answer = await sent(http, "POST", DEFINITIONS, made)
        assert code == 422, answer
        assert any(cause["field"].startswith(field) for cause in answer["details"]["causes"]), answer
    unapproved = definition("foos", "Foo", group="policy.k8s.io")
    del unapproved["metadata"]["annotations"]
    assert (await sent(http, "POST", DEFINITIONS, unapproved))[0] == 422


async def test_another_version_is_no_way_around_rights_and_policies(world: ApiWorld, http: aiohttp.ClientSession) -> None:
    """A policy that names one version sees what is written in the other, and its rules hold of what is stored."""
    spec = {"type": "object", "properties": {"size": {"type": "integer"}}}
    schema = {"type": "object", "properties": {"spec": spec}}
    made = definition("foos", "Foo", version("v1", schema), version("v2", schema, storage=False))
    assert (await sent(http, "POST", DEFINITIONS, made))[0] == 201
    await settled(http, "foos.example.com")
    policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    rule = {"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["foos"]}
    policy = {
        "metadata": {"name": "small"},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "object.spec.size < 10"}],
        },
    }
    assert (await sent(http, "POST", policies, policy))[0] == 201
    binding = {"metadata": {"name": "small"}, "spec": {"policyName": "small", "validationActions": ["Deny"]}}
    assert (await sent(http, "POST", f"{policies.replace('policies', 'policybindings')}", binding))[0] == 201

    def foo(size: Any, api_version: str) -> Json:
        return {
            "apiVersion": f"example.com/{api_version}",
            "kind": "Foo",
            "metadata": {"name": "big"},
            "spec": {"size": size},
        }

    async with asyncio.timeout(10):
        while (await sent(http, "POST", "/apis/example.com/v1/namespaces/default/foos?dryRun=All", foo(99, "v1")))[0] != 422:
            await asyncio.sleep(0.05)
    for api_version in ("v1", "v2"):
        code, answer = await sent(
            http, "POST", f"/apis/example.com/{api_version}/namespaces/default/foos", foo(99, api_version)
        )
        assert code == 422, answer
        code, answer = await sent(
            http, "POST", f"/apis/example.com/{api_version}/namespaces/default/foos", foo("x", api_version)
        )
        assert code in (400, 422), answer
    assert (await sent(http, "POST", "/apis/example.com/v2/namespaces/default/foos", foo(1, "v2")))[0] == 201
    patch = {"spec": {"size": 99}}
    assert (await sent(http, "PATCH", "/apis/example.com/v2/namespaces/default/foos/big", patch))[0] == 422
    body = {"spec": {"versions": [version("v1", schema, storage=False), version("v2", schema)]}}
    assert (await sent(http, "PATCH", f"{DEFINITIONS}/foos.example.com", body))[0] == 200, "the storage version is switched"
    async with asyncio.timeout(10):
        while (
            await sent(http, "PATCH", "/apis/example.com/v1/namespaces/default/foos/big", {"metadata": {"labels": {"a": "b"}}})
        )[0] != 200:
            await asyncio.sleep(0.05)
    for api_version in ("v1", "v2"):
        assert (await sent(http, "PATCH", f"/apis/example.com/{api_version}/namespaces/default/foos/big", patch))[0] == 422


async def test_a_status_is_written_through_its_own_door_only(world: ApiWorld, http: aiohttp.ClientSession) -> None:
    """Also that of a definition: acceptedNames and Established decide what is served."""
    made = definition("foos", "Foo", version("v1", subresources={"status": {}}))
    made["status"] = {"acceptedNames": {"plural": "pods", "kind": "Pod"}, "conditions": [], "storedVersions": ["v9"]}
    code, answer = await sent(http, "POST", DEFINITIONS, made)
    assert (code, answer["status"]["storedVersions"]) == (201, ["v1"])
    await settled(http, "foos.example.com")
    forged = {"status": {"acceptedNames": {"plural": "pods", "kind": "Pod"}, "storedVersions": ["v9"]}}
    assert (await sent(http, "PATCH", f"{DEFINITIONS}/foos.example.com", forged))[1]["status"]["storedVersions"] == ["v1"]
    path = "/apis/example.com/v1/namespaces/default/foos"
    foo = {"apiVersion": "example.com/v1", "kind": "Foo", "metadata": {"name": "a"}, "status": {"forged": True}}
    assert "status" not in (await sent(http, "POST", path, foo))[1]
    assert "status" not in (await sent(http, "PATCH", f"{path}/a", {"status": {"forged": True}}))[1]
    code, answer = await sent(http, "PATCH", f"{path}/a/status", {"spec": {"x": 1}, "metadata": {"labels": {"a": "b"}}})
    assert (code, "spec" in answer, "labels" in answer["metadata"]) == (200, False, False)
    assert (await sent(http, "PATCH", f"{path}/a", {"metadata": {"uid": "other"}}))[0] == 409
    assert (await sent(http, "PATCH", f"{path}/a", {"metadata": {"namespace": "kube-system"}}))[0] == 400
    assert (await sent(http, "PATCH", f"{path}/a", {"metadata": {"name": "b"}}))[0] == 400
    _, kept = await sent(http, "GET", f"{path}/a")
    assert await world.ok("get", "pods", "-A") == "" or kept["metadata"]["namespace"] == "default"
