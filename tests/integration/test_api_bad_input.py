"""What is no good request is refused in Kubernetes' words, and leaves nothing behind."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.api_http import CONFIG_MAPS, PODS, get, post
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


@pytest.mark.parametrize(
    ("path", "body", "code", "reason", "message"),
    [
        (CONFIG_MAPS, b"{", 400, "BadRequest", "json parse error"),
        (CONFIG_MAPS, b"", 400, "BadRequest", "json parse error"),
        (CONFIG_MAPS, b"[]", 400, "BadRequest", "cannot unmarshal array"),
        (CONFIG_MAPS, b'{"metadata":[]}', 400, "BadRequest", "cannot unmarshal array into Go struct field ConfigMap.metadata"),
        (CONFIG_MAPS, b'{"kind":"Pod","apiVersion":"v1"}', 400, "BadRequest", "cannot be handled as a ConfigMap"),
        (CONFIG_MAPS, b'{"kind":"ConfigMap","apiVersion":"v2"}', 400, "BadRequest", "does not match the expected API version"),
        (CONFIG_MAPS, b'{"kind":5}', 400, "BadRequest", "must be strings"),
        (CONFIG_MAPS, b'{"metadata":{"name":"a"},"data":{"a":1}}', 400, "BadRequest", "cannot unmarshal number"),
        (CONFIG_MAPS, b'{"metadata":{"name":"a","namespace":"b"}}', 400, "BadRequest", "does not match the namespace"),
        (
            CONFIG_MAPS,
            b'{"metadata":{"name":"a","resourceVersion":"5"}}',
            400,
            "BadRequest",
            "resourceVersion should not be set",
        ),
        (CONFIG_MAPS, b'{"metadata":{"name":"A_b"}}', 422, "Invalid", 'metadata.name: Invalid value: "A_b"'),
        (CONFIG_MAPS, b"{}", 422, "Invalid", "name or generateName is required"),
        (PODS, b'{"metadata":{"name":"a"},"spec":{}}', 422, "Invalid", "spec.containers: Required value"),
        ("/api/v1/namespaces/nope/configmaps", b'{"metadata":{"name":"a"}}', 404, "NotFound", 'namespaces "nope" not found'),
        ("/api/v1/namespaces/default/nothings", b"{}", 404, "NotFound", "the server could not find the requested resource"),
        ("/api/v1/configmaps", b'{"metadata":{"name":"a"}}', 405, "MethodNotAllowed", "does not allow this method"),
        (CONFIG_MAPS + "?dryRun=Some", b'{"metadata":{"name":"a"}}', 422, "Invalid", "dryRun: Unsupported value"),
        (CONFIG_MAPS + "?fieldValidation=Loose", b'{"metadata":{"name":"a"}}', 422, "Invalid", "fieldValidation"),
    ],
)
async def test_a_bad_body_is_answered_in_kubernetes_words(
    http: aiohttp.ClientSession, path: str, body: bytes, code: int, reason: str, message: str
) -> None:
    async with http.post(path, data=body, headers={"Content-Type": "application/json"}) as response:
        got = await response.json()
        assert (response.status, got["code"], got["reason"]) == (code, code, reason), got
        assert message in got["message"]


async def test_unknown_fields_are_refused_warned_of_or_ignored(http: aiohttp.ClientSession) -> None:
    def body(name: str) -> Json:
        return {"metadata": {"name": name}, "foo": 1, "data": {"a": "b"}}

    got = await post(http, CONFIG_MAPS + "?fieldValidation=Strict", body("a"), 400)
    assert got["message"] == (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "foo"'
    )
    async with http.post(CONFIG_MAPS + "?fieldValidation=Warn", json=body("b")) as response:
        assert response.headers.getall("Warning") == ['299 - "unknown field \\"foo\\""']
        assert "foo" not in await response.json()
    async with http.post(CONFIG_MAPS + "?fieldValidation=Ignore", json=body("c")) as response:
        assert "Warning" not in response.headers
        assert "foo" not in await response.json()


async def test_other_content_types_get_415(http: aiohttp.ClientSession) -> None:
    for path, method, media_type in (
        (CONFIG_MAPS, "POST", "text/plain"),
        (CONFIG_MAPS + "/a", "PATCH", "application/json"),
        (CONFIG_MAPS + "/a", "PATCH", "application/apply-patch+cbor"),
    ):
        async with http.request(method, path, data=b"{}", headers={"Content-Type": media_type}) as response:
            got = await response.json()
            assert (response.status, got["reason"]) == (415, "UnsupportedMediaType")


async def test_a_body_that_is_too_large_gets_413(http: aiohttp.ClientSession) -> None:
    async with http.post(
        CONFIG_MAPS, data=io.BytesIO(b" " * (4 << 20)), headers={"Content-Type": "application/json"}
    ) as response:
        got = await response.json()
        assert (response.status, got["reason"]) == (413, "RequestEntityTooLarge")

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 65536

    async with http.post(CONFIG_MAPS, data=chunks(), headers={"Content-Type": "application/json"}) as response:
        assert response.status == 413


async def test_a_half_sent_body_leaves_the_server_well_and_nothing_behind(
    world: ApiWorld, http: aiohttp.ClientSession
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port, ssl=world.tls(world.admin()))
    head = f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + b'{"metadata":{"name":"half"}')
    await writer.drain()
    writer.close()
    await get(http, CONFIG_MAPS + "/half", 404)
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port, ssl=world.tls(world.admin()))
    writer.write(b"GET /healthz\r\n\x00garbage\r\n\r\n")
    await writer.drain()
    assert b" 400 " in await reader.readline()
    writer.close()
    await get(http, "/version")


@pytest.mark.parametrize(
    ("head", "body", "code"),
    [
        ("Transfer-Encoding: chunked", b"zz\r\n", 400),
        ("Content-Encoding: gzip\r\nContent-Length: 5", b"abcde", 415),
        ("Content-Length: abc", b"", 400),
        ("Content-Length: 5\r\nContent-Length: 6", b"abcde", 400),
        ("Content-Length: 5\r\nAuthorization: Bearer \\xff", b"abcde", 400),
    ],
)
async def test_what_is_no_http_is_refused_without_a_trace(
    world: ApiWorld, caplog: pytest.LogCaptureFixture, head: str, body: bytes, code: int
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port, ssl=world.tls(world.admin()))
    request = f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{head}\r\n\r\n"
    writer.write(request.encode() + body)
    await writer.drain()
    async with asyncio.timeout(5):
        assert int((await reader.readline()).split()[1]) == code
    writer.close()
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


@pytest.mark.parametrize("query", ["resourceVersion", "limit", "watch=1&resourceVersion"])
async def test_numbers_beyond_all_bounds_are_refused(http: aiohttp.ClientSession, query: str) -> None:
    await get(http, f"{PODS}?{query}={'9' * 5000}", 400)


async def test_yaml_bodies_are_read_and_answers_given_in_yaml(http: aiohttp.ClientSession) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata: {a: 'b'}\n"
    headers = {"Content-Type": "application/yaml", "Accept": "application/yaml"}
    async with http.post(CONFIG_MAPS, data=text, headers=headers) as response:
        assert response.status == 201
        assert response.headers["Content-Type"] == "application/yaml"
        assert "data:\n  a: b\n" in await response.text()
    async with http.post(CONFIG_MAPS, data="a: &x 1\nb: *x", headers=headers) as response:
        assert response.status == 400


async def test_paths_and_methods_that_do_not_exist(http: aiohttp.ClientSession) -> None:
    for path in ("/nothing", "/api/v2", "/apis/nothing", "/api/v1/namespaces/default/pods/x/nothing", "/api/v1/pods/x"):
        got = await get(http, path, 404)
        assert got["message"] == "the server could not find the requested resource"
    async with http.put(CONFIG_MAPS, json={}) as response:
        assert (response.status, (await response.json())["reason"]) == (405, "MethodNotAllowed")
    async with http.post("/api/v1", json={}) as response:
        assert response.status == 405
