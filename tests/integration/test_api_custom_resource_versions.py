"""Custom resources in several versions: by name and by a real webhook over TLS; objects older than their schema."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from master.client.protocol import ResourceRef
from master.pki.authority import Authority, generate_key, key_to_pem
from master.store.sqlite import SQLiteStore
from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ENDPOINTS = "/apis/example.com/{}/namespaces/default/addresses"


def schema(**properties: Json) -> Json:
    return {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}}


def definition(conversion: Json, *, stored: str = "v2") -> Json:
    """v1 has host and port in one string, v2 in two fields."""
    text, number = {"type": "string"}, {"type": "integer"}
    versions = [
        {"name": "v1", "served": True, "storage": stored == "v1", "schema": schema(hostPort=text)},
        {"name": "v2", "served": True, "storage": stored == "v2", "schema": schema(host=text, port=number)},
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "addresses.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "addresses", "kind": "Address"},
            "versions": versions,
            "conversion": conversion,
        },
    }


def converted(obj: Json, version: str) -> Json:
    spec = obj.get("spec") or {}
    if version == "example.com/v1":
        spec = {"hostPort": f"{spec.get('host', '')}:{spec.get('port', 0)}"}
    else:
        host, _, port = str(spec.get("hostPort", ":0")).partition(":")
        spec = {"host": host, "port": int(port)}
    metadata = {**obj["metadata"], "labels": {**(obj["metadata"].get("labels") or {}), "converted": "true"}}
    return {**obj, "apiVersion": version, "spec": spec, "metadata": metadata}


class Webhook:
    """A conversion webhook. `mood`: "", or how it misbehaves."""

    def __init__(self) -> None:
        self.mood = ""
        self.calls = 0
        self.config: Json = {}

    async def handle(self, request: web.Request) -> web.Response:
        self.calls += 1
        review = await request.json()
        asked = review["request"]
        objects = [converted(obj, asked["desiredAPIVersion"]) for obj in asked["objects"]]
        result: Json = {"status": "Success"}
        if self.mood == "refuses":
            result = {"status": "Failed", "message": "no such address"}
        elif self.mood == "renames":
            objects = [{**obj, "metadata": {**obj["metadata"], "name": "other"}} for obj in objects]
        elif self.mood == "forgets":
            objects = objects[1:]
        elif self.mood == "rubbish":
            return web.Response(text="rubbish")
        answer = {"uid": asked["uid"], "convertedObjects": objects, "result": result}
        return web.json_response({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer})


@asynccontextmanager
async def webhook(folder: Path) -> AsyncIterator[Webhook]:
    """Serves on a free port with a certificate of its own authority."""
    authority, key, hook = Authority.generate("webhook"), generate_key(), Webhook()
    chain = folder / "webhook.pem"
    chain.write_bytes(authority.issue_server(key, "hook", ["127.0.0.1"]).public_bytes(Encoding.PEM) + key_to_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    application = web.Application(client_max_size=10 * 1024 * 1024)
    application.router.add_post("/convert", hook.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        bundle = base64.b64encode(authority.certificate_pem).decode()
        config = {"url": f"https://127.0.0.1:{runner.addresses[0][1]}/convert", "caBundle": bundle}
        hook.config = {"strategy": "Webhook", "webhook": {"clientConfig": config, "conversionReviewVersions": ["v1"]}}
        yield hook
    finally:
        await runner.cleanup()


async def sent(http: aiohttp.ClientSession, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
    media_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
    async with http.request(method, path, json=body, headers={"Content-Type": media_type}) as answer:
        return answer.status, await answer.json()


async def declare(http: aiohttp.ClientSession, body: Json) -> None:
    code, found = await sent(http, "POST", DEFINITIONS, body)
    assert code == 201, found
    for _ in range(200):
        if (await sent(http, "GET", ENDPOINTS.format("v1")))[0] == 200:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not served")


def address(name: str, version: str, **spec: Any) -> Json:
    return {"apiVersion": f"example.com/{version}", "kind": "Address", "metadata": {"name": name}, "spec": spec}


def stored(world: ApiWorld) -> list[Json]:
    return [obj.decode() for obj in world.registry.storage.cache.list("/registry/example.com/addresses/")[0]]


async def test_a_webhook_converts_what_is_written_read_listed_and_watched(tmp_path: Path) -> None:
    v1, v2 = ENDPOINTS.format("v1"), ENDPOINTS.format("v2")
    async with webhook(tmp_path) as hook, api_world(tmp_path) as world, world.http(world.admin()) as http:
        await declare(http, definition(hook.config))
        async with http.get(v1, params={"watch": "true", "resourceVersion": "1", "timeoutSeconds": "3"}) as watch:
            code, made = await sent(http, "POST", v1, address("a", "v1", hostPort="x:1"))
            assert (code, made["spec"], made["apiVersion"]) == (201, {"hostPort": "x:1"}, "example.com/v1")
            assert [obj["spec"] for obj in stored(world)] == [{"host": "x", "port": 1}]
            event = json.loads(await watch.content.readline())
            assert (event["type"], event["object"]["spec"]) == ("ADDED", {"hostPort": "x:1"})
        assert (await sent(http, "GET", f"{v2}/a"))[1]["spec"] == {"host": "x", "port": 1}
        assert (await sent(http, "POST", v2, address("b", "v2", host="y", port=2)))[0] == 201
        listed = (await sent(http, "GET", v1))[1]
        assert [item["spec"]["hostPort"] for item in listed["items"]] == ["x:1", "y:2"]
        assert {item["apiVersion"] for item in listed["items"]} == {"example.com/v1"}
        calls = hook.calls
        assert (await sent(http, "GET", v1))[1] == listed
        assert hook.calls == calls, "converted objects are remembered"
        assert len((await sent(http, "GET", f"{v1}?labelSelector=converted%3Dtrue"))[1]["items"]) == 2
        code, patched = await sent(http, "PATCH", f"{v1}/b", {"spec": {"hostPort": "z:9"}})
        assert (code, patched["spec"], patched["metadata"]["generation"]) == (200, {"hostPort": "z:9"}, 2)
        assert (await sent(http, "GET", f"{v2}/b"))[1]["spec"] == {"host": "z", "port": 9}
        assert "z:9" in await world.ok("get", "addresses.v1.example.com", "b", "-o", "yaml")
        assert (await sent(http, "DELETE", f"{v1}/b"))[0] == 200
        pages = await sent(http, "GET", f"{v1}?limit=1")
        assert [item["metadata"]["name"] for item in pages[1]["items"]] == ["a"]


async def test_what_a_webhook_does_wrong_is_told_and_changes_nothing(tmp_path: Path) -> None:
    v1, v2 = ENDPOINTS.format("v1"), ENDPOINTS.format("v2")
    async with webhook(tmp_path) as hook, api_world(tmp_path) as world, world.http(world.admin()) as http:
        await declare(http, definition(hook.config))
        assert (await sent(http, "POST", v2, address("a", "v2", host="x", port=1)))[0] == 201
        for mood, message in (
            ("refuses", "conversion webhook for example.com/v2, Kind=Address failed: no such address"),
            ("renames", "returned invalid converted object at index 0: must have the same name: a != other"),
            ("forgets", "returned 0 objects, expected 1"),
            ("rubbish", "couldn't get version/kind; json parse error"),
        ):
            hook.mood = mood
            code, status = await sent(http, "GET", f"{v1}/a")
            assert (code, status["kind"]) == (500, "Status")
            assert message in status["message"]
        assert (await sent(http, "POST", v1, address("b", "v1", hostPort="y:2")))[0] == 500
        assert [obj["metadata"]["name"] for obj in stored(world)] == ["a"]
        assert (await sent(http, "GET", f"{v2}/a"))[0] == 200, "the stored version needs no webhook"
        assert (await sent(http, "DELETE", f"{v2}/a"))[0] == 200


async def test_collectors_read_and_definitions_end_without_the_webhook(tmp_path: Path) -> None:
    async with webhook(tmp_path) as hook, api_world(tmp_path) as world, world.http(world.admin()) as http:
        await declare(http, definition(hook.config, stored="v1"))
        assert (await sent(http, "POST", ENDPOINTS.format("v1"), address("a", "v1", hostPort="x:1")))[0] == 201
        hook.mood = "refuses"
        assert (await sent(http, "GET", ENDPOINTS.format("v2")))[0] == 500
        found = await world.registry.list(ResourceRef("example.com", "v2", "addresses"), "")
        assert [json.loads(raw)["metadata"]["name"] for raw in found.items] == ["a"]
        await world.ok("delete", "crd", "addresses.example.com", "--timeout=10s")
        assert stored(world) == []


async def test_without_conversion_only_the_version_changes_and_old_objects_get_new_defaults(tmp_path: Path) -> None:
    v1, v2 = ENDPOINTS.format("v1"), ENDPOINTS.format("v2")
    async with api_world(tmp_path) as world, world.http(world.admin()) as http:
        body = definition({"strategy": "None"}, stored="v1")
        await declare(http, body)
        assert (await sent(http, "POST", v1, address("a", "v1", hostPort="x:1")))[0] == 201
        assert (await sent(http, "GET", f"{v2}/a"))[1].get("spec") == {}, "fields of another version are pruned"
        changed = definition({"strategy": "None"}, stored="v1")
        text = {"type": "string", "default": "given"}
        changed["spec"]["versions"][0]["schema"] = schema(hostPort={"type": "string"}, zone=text)
        assert (await sent(http, "PATCH", f"{DEFINITIONS}/addresses.example.com", {"spec": changed["spec"]}))[0] == 200

        async def zone() -> bool:
            items = (await sent(http, "GET", v1))[1]["items"]
            return bool(items[0]["spec"].get("zone") == "given")

        for _ in range(200):
            if await zone():
                break
            await asyncio.sleep(0.01)
        found = (await sent(http, "GET", f"{v1}/a"))[1]
        assert found["spec"] == {"hostPort": "x:1", "zone": "given"}
        assert "zone" not in stored(world)[0]["spec"]
        moved = {"spec": {"versions": definition({"strategy": "None"}, stored="v2")["spec"]["versions"]}}
        code, now = await sent(http, "PATCH", f"{DEFINITIONS}/addresses.example.com", moved)
        assert (code, now["status"]["storedVersions"]) == (200, ["v1", "v2"])
        dropped = {"spec": {"versions": moved["spec"]["versions"][1:]}}
        code, refused = await sent(http, "PATCH", f"{DEFINITIONS}/addresses.example.com", dropped)
        assert code == 422
        assert "status.storedVersions[0]: Invalid value" in refused["message"]


async def test_what_was_served_is_served_after_a_restart_beside_a_definition_that_cannot_be(tmp_path: Path) -> None:
    async with api_world(tmp_path) as world, world.http(world.admin()) as http:
        await declare(http, definition({"strategy": "None"}, stored="v1"))
        assert (await sent(http, "POST", ENDPOINTS.format("v1"), address("a", "v1", hostPort="x:1")))[0] == 201
    store = SQLiteStore(tmp_path / "store.db")
    await store.open()
    status = {"conditions": [{"type": "Established", "status": "True"}], "acceptedNames": {}}
    odd = {"metadata": {"name": "a.odd.com"}, "spec": {"group": "odd.com", "versions": [{}]}, "status": status}
    key = "/registry/apiextensions.k8s.io/customresourcedefinitions/-/a.odd.com"
    await store.put(key, json.dumps(odd).encode(), expected=0)
    await store.close()
    async with api_world(tmp_path) as world, world.http(world.admin()) as http:
        code, found = await sent(http, "GET", f"{ENDPOINTS.format('v1')}/a")
        assert (code, found["spec"]) == (200, {"hostPort": "x:1"})
