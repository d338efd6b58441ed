"""Bodies and heads made to break a parser, to grow, or to be read as more requests than one."""

import asyncio
import json
import re
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.admission_hooks import by_path, hook, hooks, rule
from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
REVISIONS = "/apis/apps/v1/namespaces/default/controllerrevisions"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path) as running:
        yield running


@pytest.fixture
async def http(world: ApiWorld) -> AsyncIterator[aiohttp.ClientSession]:
    async with world.http(world.admin()) as session:
        yield session


async def sent(
    http: aiohttp.ClientSession, method: str, path: str, body: Any, media_type: str = "application/json"
) -> tuple[int, Json]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with http.request(method, path, data=data, headers={"Content-Type": media_type}) as response:
        return response.status, await response.json()


def revision(name: str, depth: int) -> bytes:
    """A ControllerRevision holds any JSON; json.dumps itself does not go as deep."""
    head = b'{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{"name":"%s"},"revision":1,"data":' % name.encode()
    return head + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


@pytest.mark.parametrize("depth", [200, 260, 500, 1_000, 5_000, 100_000])
async def test_nesting_is_stored_or_refused_and_never_an_error_of_the_server(http: aiohttp.ClientSession, depth: int) -> None:
    code, answer = await sent(http, "POST", REVISIONS, revision("deep", depth))
    assert code == (201 if depth == 200 else 400), answer
    for media_type in (
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/json-patch+json",
    ):
        body = revision("deep", depth)
        if media_type == "application/json-patch+json":
            body = b'[{"op":"add","path":"/data","value":' + b"[" * depth + b"]" * depth + b"}]"
        code, answer = await sent(http, "PATCH", f"{REVISIONS}/deep", body, media_type)
        assert code in (200, 400, 404, 422), answer


async def test_depth_keeps_no_object_from_a_webhook(tmp_path: Path) -> None:
    """A review holds the object two levels deeper: what fits no review is refused, also by a webhook that may fail."""
    async with hooks(tmp_path, by_path) as world:
        revisions = rule(group="apps", resources="controllerrevisions")
        await world.validating(hook(world.server, "allow", revisions, failurePolicy="Ignore"))
        code, answer = await sent(world.http, "POST", REVISIONS, revision("deep", 251))
        assert (code, answer["reason"]) == (400, "BadRequest"), answer
        assert "cannot be encoded for admission webhooks" in answer["message"]
        assert (await sent(world.http, "POST", REVISIONS, revision("flat", 200)))[0] == 201
        assert len(world.requests()) == 1


@pytest.mark.parametrize("number", ["9" * 300_000, "9" * 5_000, "1" + "0" * 300, "0." + "1" * 300_000])
async def test_a_quantity_of_many_digits_is_refused_at_once(http: aiohttp.ClientSession, number: str) -> None:
    container = {"name": "c", "image": "i", "resources": {"limits": {"cpu": number}}}
    async with asyncio.timeout(5):
        code, answer = await sent(http, "POST", PODS, {"metadata": {"name": "p"}, "spec": {"containers": [container]}})
    assert (code, "quantities must match the regular expression" in answer["message"]) == (400, True)
    assert len(answer["message"]) < 2_000


async def test_a_json_patch_has_so_many_operations_and_copies_so_much(http: aiohttp.ClientSession) -> None:
    """CVE-2019-1002100, and copies of copies."""
    patch = "application/json-patch+json"
    assert (await sent(http, "POST", CONFIG_MAPS, {"metadata": {"name": "a"}, "data": {"k": "v"}}))[0] == 201
    many = [{"op": "test", "path": "/data/k", "value": "v"}] * 10_001
    code, answer = await sent(http, "PATCH", f"{CONFIG_MAPS}/a", many, patch)
    assert (code, answer["reason"]) == (413, "RequestEntityTooLarge")
    assert (await sent(http, "PATCH", f"{CONFIG_MAPS}/a", many[:-1], patch))[0] == 200
    assert (await sent(http, "POST", REVISIONS, {"metadata": {"name": "r"}, "revision": 1, "data": {"a": ["x" * 1000]}}))[
        0
    ] == 201
    copies = [{"op": "copy", "from": "/data", "path": "/data/a/-"}] * 60
    async with asyncio.timeout(5):
        code, answer = await sent(http, "PATCH", f"{REVISIONS}/r", copies, patch)
    assert code == 422, answer


def yaml_bomb() -> bytes:
    """CVE-2019-11253: each line is nine times the one before."""
    lines = ['a0: &a0 ["x","x","x","x","x","x","x","x","x"]']
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    return ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb}\ndata:\n  " + "\n  ".join(lines)).encode()


async def test_a_yaml_bomb_is_refused_by_every_verb(http: aiohttp.ClientSession) -> None:
    for method, path, media_type in (
        ("POST", CONFIG_MAPS, "application/yaml"),
        ("PUT", f"{CONFIG_MAPS}/bomb", "application/yaml"),
        ("PATCH", f"{CONFIG_MAPS}/bomb?fieldManager=t", "application/apply-patch+yaml"),
        ("DELETE", f"{CONFIG_MAPS}/bomb", "application/yaml"),
    ):
        async with asyncio.timeout(5):
            code, answer = await sent(http, method, path, yaml_bomb(), media_type)
        assert code == 400, (method, answer)
        assert "alias" in answer["message"], answer


async def test_compressed_bodies_are_not_unpacked(http: aiohttp.ClientSession) -> None:
    bomb = zlib.compress(bytes(64 << 20), 9)
    for encoding in ("gzip", "deflate", "br", "zstd", "gzip, identity", "GZIP"):
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        async with http.post(CONFIG_MAPS, data=bomb, headers=headers) as response:
            assert response.status in (400, 415), encoding


SMUGGLED = b"GET /api/v1/namespaces/kube-system/secrets HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


#: After a request's first headers: what proxies, servers and old standards read in different ways.
HEADS = (
    b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    b"Content-Length: 0\r\nContent-Length: 4\r\n",
    b"Content-Length: +4\r\n",
    b"Content-Length: 4, 4\r\n",
    b"Content-Length: 0x4\r\n",
    b"Transfer-Encoding: xchunked\r\n",
    b"Transfer-Encoding: chunked, identity\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n",
    b" Transfer-Encoding: chunked\r\n",
    b"X: a\r\n Content-Length: 4\r\n",
    b"X: a\nContent-Length: 4\r\n",
    b"X: a\rContent-Length: 4\r\n",
    b"Content-Length: \xc2\xb2\r\n",
)
CHUNKS = (
    b"0;a\n\r\n\r\n",
    b"-1\r\n\r\n",
    b"0x0\r\n\r\n",
    b"1\r\nab\r\n0\r\n\r\n",
    b"1\na\n0\n\n",
    b"ffffffffffffffffff\r\n",
    b"0\r\nX: a\n\n",
)


async def answered(world: ApiWorld, request: bytes) -> bytes:
    """All that the server says to bytes until it ends the connection, which it must."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port, ssl=world.tls(world.admin()))
    writer.write(request)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer


async def test_no_head_can_be_read_in_two_ways(world: ApiWorld) -> None:
    """Such a request is refused and ends its connection: what stands behind it is never a request of its own."""
    for headers in HEADS:
        answer = await answered(world, HEAD + headers + b"\r\n0\r\n\r\n" + SMUGGLED)
        assert re.match(rb"HTTP/1\.[01] 4", answer), (headers, answer[:200])
        assert b"SecretList" not in answer, headers


async def test_chunks_that_can_be_read_in_two_ways_end_the_connection(world: ApiWorld) -> None:
    for chunks in CHUNKS:
        answer = await answered(world, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + SMUGGLED)
        assert re.match(rb"HTTP/1\.[01] 4", answer), (chunks, answer[:200])
        assert b"SecretList" not in answer, chunks
