"""Server-side apply of custom resources: their schemas' list and map types, unknown fields, versions, status and scale."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
WIDGET = "widgets.v1.example.com/w"


def _version(name: str, *, storage: bool) -> Json:
    port = {
        "type": "object",
        "required": ["port"],
        "properties": {
            "port": {"type": "integer"},
            "protocol": {"type": "string", "default": "TCP"},
            "name": {"type": "string"},
        },
    }
    spec = {
        "size": {"type": "integer"},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port", "protocol"],
            "items": port,
        },
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
        "list": {"type": "array", "items": {"type": "string"}},
    }
    properties = {
        "spec": {"type": "object", "properties": spec},
        "status": {"type": "object", "properties": {"size": {"type": "integer"}}},
    }
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
    }


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [_version("v1", storage=True), _version("v2", storage=False)],
        },
    }
    async with api_world(tmp_path) as running:
        await running.ok("apply", "--server-side", "-f", "-", stdin=json.dumps(definition))
        await running.ok("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=20s")
        for _ in range(50):
            if "widgets" in (await running.kubectl("get", "--raw", "/apis/example.com/v1")).out:
                break
            await asyncio.sleep(0.1)
        yield running


async def apply(world: ApiWorld, manager: str, version: str = "v1", *arguments: str, **spec: Any) -> str:
    """What kubectl says to it."""
    body = {"apiVersion": f"example.com/{version}", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}
    text = json.dumps(body)
    options = ("--server-side", f"--field-manager={manager}", *arguments, "-f", "-")
    result = await world.kubectl("apply", *options, version="1.33", stdin=text)
    return result.err or result.out


async def widget(world: ApiWorld) -> Json:
    found: Json = json.loads(await world.ok("get", WIDGET, "-o", "json", "--show-managed-fields", version="1.33"))
    return found


async def test_each_part_merges_as_its_schema_says(world: ApiWorld) -> None:
    await apply(world, "a", size=1, ports=[{"port": 80}], tags=["x"], free={"m": {"p": 1}}, whole={"a": "b"}, list=["1"])
    await apply(world, "b", ports=[{"port": 80, "name": "n"}, {"port": 81}], tags=["y"], free={"m": {"q": 1}})
    got = await widget(world)
    ports = [{"name": "n", "port": 80, "protocol": "TCP"}, {"port": 81, "protocol": "TCP"}]
    assert got["spec"] == {
        "size": 1,
        "ports": ports,
        "tags": ["x", "y"],
        "free": {"m": {"p": 1, "q": 1}},
        "whole": {"a": "b"},
        "list": ["1"],
    }
    for wanted in ({"whole": {"c": "d"}}, {"list": ["1", "2"]}):
        assert f'conflict with "a": .spec.{next(iter(wanted))}' in await apply(world, "b", **wanted)
    assert "field not declared in schema" in await apply(world, "b", sizee=1)
    await apply(world, "b")
    left = (await widget(world))["spec"]
    assert (left["ports"], left["tags"], left["free"]) == ([{"port": 80, "protocol": "TCP"}], ["x"], {"m": {"p": 1}})


async def test_owners_hold_in_every_version(world: ApiWorld) -> None:
    await apply(world, "a", size=1, tags=["x"])
    assert 'conflict with "a": .spec.size' in await apply(world, "b", "v2", size=2)
    await apply(world, "a", "v2", size=1)
    got = await widget(world)
    assert got["spec"] == {"size": 1}
    (entry,) = got["metadata"]["managedFields"]
    assert entry["apiVersion"] == "example.com/v2"


async def test_status_and_scale_have_owners_of_their_own(world: ApiWorld) -> None:
    await apply(world, "a", size=1)
    await world.ok("scale", WIDGET, "--replicas=4", version="1.33")
    assert 'with subresource "scale" using example.com/v1: .spec.size' in await apply(world, "a", size=1)
    status = ("--subresource=status", "--type=merge", "-p", '{"metadata":{"labels":{"l":"1"}},"status":{"size":3}}')
    await world.ok("patch", WIDGET, *status, "--field-manager=s", version="1.33")
    entries = {entry["manager"]: entry for entry in (await widget(world))["metadata"]["managedFields"]}
    assert entries["s"]["fieldsV1"] == {"f:status": {".": {}, "f:size": {}}}
    assert entries["s"]["subresource"] == "status"


async def test_strategic_merge_patches_are_not_supported(world: ApiWorld) -> None:
    await apply(world, "a", size=1)
    refused = await world.kubectl("patch", WIDGET, "--type=strategic", "-p", '{"spec":{"size":2}}', version="1.33")
    assert (
        "accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply"
        in refused.err
    )
