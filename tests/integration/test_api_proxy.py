"""The proxy subresources over real TLS: a real HTTP server behind a real Stream, as a pod behind its node."""

import asyncio
import gzip
import hashlib
import io
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding
from yarl import URL

from agent.kubelet.streams.tcp import carry
from master.pki.authority import generate_key, key_to_pem
from proto.messages import Message, StreamOpen
from proto.stream import Stream
from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
DEFAULT = "/api/v1/namespaces/default"


@dataclass
class Nodes:
    """NodeStreams whose every target is a port of this host."""

    tasks: asyncio.TaskGroup
    port: int = 0
    opened: list[tuple[str, StreamOpen]] = field(default_factory=list)

    async def open(self, node: str, request: StreamOpen) -> Stream:
        self.opened.append((node, request))

        async def to_agent(message: Message) -> None:
            await agent_end.deliver(message)

        async def to_master(message: Message) -> None:
            await master_end.deliver(message)

        master_end, agent_end = Stream(to_agent), Stream(to_master)
        self.tasks.create_task(self._serve(request, agent_end))
        return master_end

    async def _serve(self, request: StreamOpen, stream: Stream) -> None:
        if request.options.get("port") == 9:
            await stream.close("dial tcp 10.1.1.1:9: connect: connection refused", 503)
            return
        if request.options.get("port") == 10:
            await stream.close("address not allowed", 400)
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        await carry(reader, writer, stream)
        await stream.close()


async def _echo(request: web.Request) -> web.StreamResponse:
    body = await request.read()
    told = {
        "method": request.method,
        "path": request.raw_path,
        "headers": [[name.lower(), value] for name, value in request.headers.items()],
        "body": body.decode(),
    }
    headers = {"X-Own": "yes", "Access-Control-Allow-Origin": "*", "Connection": "close, X-Hop", "X-Hop": "1"}
    return web.json_response(told, status=418, headers=headers)


async def _redirect(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound(request.query["to"])


async def _digest(request: web.Request) -> web.StreamResponse:
    found, size = hashlib.sha256(), 0
    async for piece in request.content.iter_any():
        found.update(piece)
        size += len(piece)
    return web.json_response([found.hexdigest(), size])


async def _large(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    if "length" in request.query:
        response.content_length = 8 << 20
    await response.prepare(request)
    for _ in range(128):
        await response.write(bytes(65536))
    return response


async def _cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_length = 100
    await response.prepare(request)
    await response.write(b"half")
    assert request.transport is not None
    request.transport.close()
    return response


PAGE = b"""<html><!-- <a href="/no"> --><A HREF='/x/?a=1&amp;b=2'>x</A><img src=rel.png><a href="http://elsewhere/y">
<script src="/s.js">if (a < b) "<a href='/no'>"</script>\xff"""


async def _page(request: web.Request) -> web.StreamResponse:
    headers = {"Content-Type": "text/html; charset=utf-8"}
    if "gzip" in request.query:
        return web.Response(body=gzip.compress(PAGE), headers={**headers, "Content-Encoding": "gzip"})
    return web.Response(body=PAGE, headers=headers)


async def _socket(request: web.Request) -> web.StreamResponse:
    if request.query.get("refuse"):
        return web.Response(status=403, text="not today")
    socket = web.WebSocketResponse(protocols=("chat",))
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data[::-1])
    return socket


def application() -> web.Application:
    app = web.Application(client_max_size=0)
    app.router.add_get("/redirect", _redirect)
    app.router.add_post("/digest", _digest)
    app.router.add_get("/large", _large)
    app.router.add_get("/cut", _cut)
    app.router.add_get("/page", _page)
    app.router.add_get("/socket", _socket)
    app.router.add_route("*", "/{rest:.*}", _echo)
    return app


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[tuple[ApiWorld, Nodes, aiohttp.ClientSession]]:
    runner = web.AppRunner(application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            nodes = Nodes(tasks, runner.addresses[0][1])
            async with api_world(tmp_path, streams=nodes) as world, world.http(world.admin()) as http:
                await make_objects(http)
                yield world, nodes, http
    finally:
        await runner.cleanup()


async def make_objects(http: aiohttp.ClientSession) -> None:
    async def post(path: str, body: Json) -> None:
        async with http.post(path, json=body) as response:
            assert response.status == 201, await response.text()

    async def status(path: str, body: Json) -> None:
        headers = {"Content-Type": "application/merge-patch+json"}
        async with http.patch(f"{path}/status", json={"status": body}, headers=headers) as response:
            assert response.status == 200, await response.text()

    for name, ip in (("p", "10.1.1.1"), ("loop", "127.0.0.1"), ("meta", "169.254.169.254")):
        spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 8080}]}]}
        await post(f"{DEFAULT}/pods", {"metadata": {"name": name}, "spec": spec})
        await status(f"{DEFAULT}/pods/{name}", {"podIP": ip, "podIPs": [{"ip": ip}]})
    await post(f"{DEFAULT}/pods", {"metadata": {"name": "new"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    ports = [{"name": "web", "port": 80, "targetPort": 8081}, {"name": "other", "port": 81, "targetPort": 8082}]
    for name in ("s", "empty", "foreign"):
        await post(f"{DEFAULT}/services", {"metadata": {"name": name}, "spec": {"ports": ports}})
    reference = {"kind": "Pod", "name": "p", "namespace": "default"}
    numbers = [{"name": "web", "port": 8081}, {"name": "other", "port": 8082}]
    for name, address in (
        ("s", {"ip": "10.1.1.1", "targetRef": reference}),
        ("foreign", {"ip": "10.9.9.9", "targetRef": reference}),
    ):
        subsets = [{"addresses": [address, {"ip": "10.8.8.8"}], "ports": numbers}]
        await post(f"{DEFAULT}/endpoints", {"metadata": {"name": name}, "subsets": subsets})
    await post("/api/v1/nodes", {"metadata": {"name": "n1"}})
    await status("/api/v1/nodes/n1", {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]})


async def test_a_request_passes_with_what_is_its_own_and_without_who_asked(
    parts: tuple[ApiWorld, Nodes, aiohttp.ClientSession],
) -> None:
    _, nodes, http = parts
    headers = {
        "Authorization": "Bearer s3cret",
        "X-Remote-User": "root",
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Host": "liar",
        "Connection": "X-Mine",
        "X-Mine": "1",
        "X-Kept": "yes",
    }
    url = f"{DEFAULT}/pods/p/proxy/a%20b//c/?watch=true&x=%2F"
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        body = b"hello" if method not in ("GET", "OPTIONS") else None
        async with http.request(method, URL(url, encoded=True), data=body, headers=headers) as answer:
            assert answer.status == 418
            told = await answer.json()
        assert (told["method"], told["body"]) == (method, "hello" if body else "")
        assert told["path"] == "/a%20b//c/?watch=true&x=%2F"
        got = dict(told["headers"])
        assert got["x-kept"] == "yes"
        assert not got.keys() & {"authorization", "x-remote-user", "x-mine"}
        assert got["x-forwarded-for"] == "192.0.2.7, 127.0.0.1"
        assert got["x-forwarded-host"].startswith("127.0.0.1:")
        assert got["x-forwarded-uri"] == f"{DEFAULT}/pods/p/proxy/a%20b//c/"
        assert answer.headers["X-Own"] == "yes"
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "X-Hop" not in answer.headers
    async with http.head(f"{DEFAULT}/pods/p/proxy/") as answer:
        assert (answer.status, await answer.read()) == (418, b"")
    node, opened = nodes.opened[0]
    assert (node, opened.kind, opened.pod, opened.options) == ("n1", "podproxy", "p", {"address": "10.1.1.1", "port": 8080})


async def test_a_name_means_a_pod_a_service_or_a_node_and_their_ports(
    parts: tuple[ApiWorld, Nodes, aiohttp.ClientSession],
) -> None:
    _, nodes, http = parts
    for path, kind, port in (
        (f"{DEFAULT}/pods/p:81/proxy/", "podproxy", 81),
        (f"{DEFAULT}/pods/http:p:82/proxy/", "podproxy", 82),
        (f"{DEFAULT}/services/s:web/proxy/", "podproxy", 8081),
        (f"{DEFAULT}/services/s:80/proxy/", "podproxy", 8081),
        (f"{DEFAULT}/services/http:s:other/proxy/", "podproxy", 8082),
        ("/api/v1/nodes/n1/proxy/healthz", "nodeproxy", 0),
        ("/api/v1/nodes/n1:10250/proxy/", "nodeproxy", 0),
        ("/api/v1/nodes/n1:9100/proxy/metrics", "nodeproxy", 9100),
    ):
        async with http.get(path) as answer:
            assert answer.status == 418, await answer.text()
        node, opened = nodes.opened[-1]
        assert (node, opened.kind, opened.options["port"]) == ("n1", kind, port), path
    before = len(nodes.opened)
    for path, code, message in (
        ("/pods/none/proxy/", 404, 'pods "none" not found'),
        ("/pods/ftp:p:80/proxy/", 400, 'invalid pod request "ftp:p:80"'),
        ("/pods/p:0/proxy/", 400, 'invalid port "0"'),
        ("/pods/loop/proxy/", 400, "address not allowed"),
        ("/pods/meta:80/proxy/latest", 400, "address not allowed"),
        ("/pods/new/proxy/", 400, "address not allowed"),
        ("/services/a:b:c:d/proxy/", 400, 'invalid service request "a:b:c:d"'),
        ("/services/none/proxy/", 404, 'endpoints "none" not found'),
        ("/services/s:99/proxy/", 503, 'no service port 99 found for service "s"'),
        ("/services/s/proxy/", 503, 'no endpoints available for service "s"'),
        ("/services/foreign:web/proxy/", 503, 'no endpoints available for service "foreign:web"'),
        ("/watch/pods/p/proxy/", 404, "the server could not find the requested resource"),
    ):
        async with http.get(DEFAULT + path) as answer:
            status = await answer.json()
            assert (answer.status, status["message"]) == (code, message)
    assert len(nodes.opened) == before
    async with http.get(f"{DEFAULT}/pods/p:9/proxy/") as answer:
        status = await answer.json()
        text = "error trying to reach service: dial tcp 10.1.1.1:9: connect: connection refused"
        assert (status["code"], status["reason"], status["message"]) == (503, "ServiceUnavailable", text)
    async with http.get(f"{DEFAULT}/pods/p:10/proxy/") as answer:
        assert (answer.status, (await answer.json())["message"]) == (400, "address not allowed")


async def test_large_bodies_stream_both_ways_and_a_broken_answer_shows(
    parts: tuple[ApiWorld, Nodes, aiohttp.ClientSession],
) -> None:
    _, _, http = parts
    base = f"{DEFAULT}/pods/p/proxy"

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(128):
            yield bytes(65536)

    expected = [hashlib.sha256(bytes(8 << 20)).hexdigest(), 8 << 20]
    for data in (pieces(), io.BytesIO(bytes(8 << 20))):
        async with http.post(f"{base}/digest", data=data) as answer:
            assert await answer.json() == expected
    for query in ("", "?length"):
        async with http.get(f"{base}/large{query}") as answer:
            assert len(await answer.read()) == 8 << 20
    with pytest.raises(aiohttp.ClientError):
        async with http.get(f"{base}/cut") as answer:
            await answer.read()


async def test_redirects_are_handed_on_and_links_lead_through_the_proxy(
    parts: tuple[ApiWorld, Nodes, aiohttp.ClientSession],
) -> None:
    _, nodes, http = parts
    base = f"{DEFAULT}/services/s:web/proxy"
    for target, expected in (
        ("/there/", f"{base}/there/"),
        ("there?x=1", "there?x=1"),
        ("http://10.1.1.1:8081/there?x=1", f"{base}/there?x=1"),
        ("http://169.254.169.254/latest", "http://169.254.169.254/latest"),
        (f"{base}/already", f"{base}/already"),
    ):
        before = len(nodes.opened)
        async with http.get(f"{base}/redirect", params={"to": target}, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (302, expected)
        assert len(nodes.opened) == before + 1
    async with http.get(f"{base}?x=1", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (301, f"{base}/?x=1")
    for query in ("", "?gzip=1"):
        async with http.get(f"{base}/page{query}") as answer:
            page = await answer.read()
        assert f'<a href="{base}/x/?a=1&amp;b=2">x</A>'.encode() in page
        assert f'<script src="{base}/s.js">'.encode() in page
        assert b"<img src=rel.png>" in page
        assert b'href="http://elsewhere/y"' in page
        assert page.count(b"/no") == 2
        assert page.endswith(b"\xff")


async def test_upgrades_pass_through(parts: tuple[ApiWorld, Nodes, aiohttp.ClientSession]) -> None:
    _, _, http = parts
    url = f"{DEFAULT}/pods/p/proxy/socket"
    async with http.ws_connect(url, protocols=("chat",)) as socket:
        assert socket.protocol == "chat"
        for text in ("abc", "x" * 100_000):
            await socket.send_str(text)
            assert await socket.receive_str(timeout=5) == text[::-1]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(f"{url}?refuse=1")
    assert refused.value.status == 403


async def test_https_targets_are_spoken_to_in_tls(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        nodes = Nodes(tasks)
        async with api_world(tmp_path, streams=nodes) as world, world.http(world.admin()) as http:
            key = generate_key()
            pem = world.authority.issue_server(key, "pod", ["pod"]).public_bytes(Encoding.PEM) + key_to_pem(key)
            (tmp_path / "pod.pem").write_bytes(pem)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tmp_path / "pod.pem")
            runner = web.AppRunner(application())
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
            await site.start()
            try:
                nodes.port = runner.addresses[0][1]
                await make_objects(http)
                for name in ("pods/https:p:443", "services/https:s:web"):
                    async with http.get(f"{DEFAULT}/{name}/proxy/x") as answer:
                        assert (answer.status, (await answer.json())["path"]) == (418, "/x")
                async with http.get(f"{DEFAULT}/pods/p:443/proxy/x") as answer:
                    assert answer.status in (400, 503)  # the server's own answer to plain HTTP, if it gives one
            finally:
                await runner.cleanup()


@pytest.mark.parametrize("version", ["1.27", "1.33"])
async def test_kubectl_proxy_and_raw_reach_a_pod_and_refuse_by_path(
    parts: tuple[ApiWorld, Nodes, aiohttp.ClientSession], version: str
) -> None:
    world, _, _ = parts
    raw = await world.kubectl("get", "--raw", f"{DEFAULT}/services/s:web/proxy/large", version=version)
    assert len(raw.out) == 8 << 20
    process = await world.start(
        "proxy", "--port=0", "--reject-paths=^/api/v1/namespaces/default/pods/.*/proxy.*", version=version
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 10)).decode()
        address = line.rsplit(" ", 1)[1].strip()
        async with aiohttp.ClientSession(f"http://{address}") as local:
            async with local.get(f"{DEFAULT}/services/s:web/proxy/hello?x=1") as answer:
                told = await answer.json(content_type=None)
                assert told["path"] == "/hello?x=1"
            async with local.get(f"{DEFAULT}/pods/p/proxy/hello") as answer:
                assert answer.status == 403
            async with local.get(f"{DEFAULT}/pods/p") as answer:
                assert (await answer.json())["metadata"]["name"] == "p"
            async with local.ws_connect(f"{DEFAULT}/services/s:web/proxy/socket") as socket:
                await socket.send_str("abc")
                assert await socket.receive_str(timeout=5) == "cba"
    finally:
        process.terminate()
        await process.communicate()


async def test_discovery_tells_of_the_proxies(parts: tuple[ApiWorld, Nodes, aiohttp.ClientSession]) -> None:
    _, _, http = parts
    async with http.get("/api/v1") as answer:
        listed = {one["name"]: one for one in json.loads(await answer.text())["resources"]}
    for resource, kind in (("pods", "Pod"), ("services", "Service"), ("nodes", "Node")):
        found = listed[f"{resource}/proxy"]
        assert found["kind"] == f"{kind}ProxyOptions"
        assert found["verbs"] == ["create", "delete", "get", "patch", "update"]
