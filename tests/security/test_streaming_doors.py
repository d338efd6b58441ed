"""exec, attach, port-forward, logs and proxies: by another site's page, by tricks with paths, by floods; real TLS and sockets.

What a proxy reaches at all (CVE-2018-1002102, CVE-2022-3294): tests/integration/test_api_proxy.py and test_kubelet_streams.py.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError

from master.api.streaming.handler import PodStreaming
from proto.messages import StreamOpen
from proto.stream import Stream, StreamBroken
from tests.integration.api_world import ApiWorld, api_world
from tests.integration.test_pod_streaming import LoopbackNodes, server, shouting_command

EXEC = "command=sh&stdin=true&stdout=true"
PROTOCOLS = ("v4.channel.k8s.io",)
BEARER = "base64url.bearer.authorization.k8s.io." + base64.urlsafe_b64encode(b"a.b.c").decode().rstrip("=")


async def patient(request: StreamOpen, stream: Stream) -> None:
    """A command whose client may go away at any time."""
    with suppress(StreamBroken):
        await shouting_command(request, stream)


@pytest.mark.parametrize("what", ["exec", "attach", "portforward"])
async def test_a_page_of_another_site_opens_nothing_with_its_visitors_certificate(what: str) -> None:
    async with server(patient) as (host, port, nodes), ClientSession() as session:
        url = f"http://{host}:{port}/{what}?{EXEC}&ports=80"
        for origin in ("https://evil.example.com", "null", f"https://{host}.evil.example.com:{port}", "https://[", "file://"):
            with pytest.raises(WSServerHandshakeError) as refused:
                await session.ws_connect(url, protocols=PROTOCOLS, headers={"Origin": origin})
            assert refused.value.status == 403
        assert nodes.opened == []
        for headers, protocols in (
            ({"Origin": f"https://{host}:{port}"}, PROTOCOLS),
            ({"Origin": f"HTTPS://{host}:{port}".upper()}, PROTOCOLS),
            ({"Origin": "https://dashboard.example.com", "Authorization": "Bearer a.b.c"}, PROTOCOLS),
            ({"Origin": "https://dashboard.example.com"}, (BEARER, *PROTOCOLS)),
            ({}, PROTOCOLS),
        ):
            async with session.ws_connect(url, protocols=protocols, headers=headers) as socket:
                assert socket.protocol == PROTOCOLS[0]


async def test_messages_are_bounded_by_what_comes_out_of_their_compression() -> None:
    async with server(patient) as (host, port, _), ClientSession() as session:
        url = f"http://{host}:{port}/exec?{EXEC}"
        async with session.ws_connect(url, protocols=PROTOCOLS, compress=15) as socket:
            with suppress(ConnectionError, aiohttp.ClientError):
                await socket.send_bytes(b"\x00" + bytes(64 << 20))
            echoed = 0
            async with asyncio.timeout(10):
                while (message := await socket.receive()).type is WSMsgType.BINARY:
                    echoed += len(message.data)
            assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR), message.type
            assert echoed < 1 << 20


@asynccontextmanager
async def two_tenants(folder: Path) -> AsyncIterator[tuple[ApiWorld, LoopbackNodes, ClientSession]]:
    """Jane may do everything in namespace a; the pod is in b."""
    async with asyncio.TaskGroup() as tasks:
        nodes = LoopbackNodes(tasks, _silent)
        async with api_world(folder, streams=nodes, streaming=PodStreaming(nodes)) as world:
            for name in ("a", "b"):
                await world.ok("create", "namespace", name)
            for name in ("a", "b"):
                async with asyncio.timeout(10):
                    while await world.registry.storage.read("", "serviceaccounts", name, "default") is None:
                        await asyncio.sleep(0.02)
            overrides = '{"spec":{"nodeName":"n1"}}'
            await world.ok("run", "p", "-n", "b", "--image=i", f"--overrides={overrides}")
            await world.ok("create", "rolebinding", "jane", "-n", "a", "--clusterrole=admin", "--user=jane")
            async with world.http(world.user("jane")) as http:
                yield world, nodes, http


async def _silent(request: StreamOpen, stream: Stream) -> None:
    await stream.close()


async def test_no_path_leads_from_one_namespace_into_another(tmp_path: Path) -> None:
    async with two_tenants(tmp_path) as (world, nodes, _):
        query = "?command=sh&stdout=true"
        doors = ("exec", "attach", "portforward", "log", "proxy", "proxy/", "ephemeralcontainers", "eviction", "status")
        prefixes = (
            "/api/v1/namespaces/b/pods/p",
            "/api/v1/namespaces/a/namespaces/b/pods/p",
            "/api/v1/namespaces/a/pods/../../b/pods/p",
            "/api/v1/namespaces/a/../b/pods/p",
            "/api/v1/namespaces/a/pods/%2e%2e/%2e%2e/b/pods/p",
            "/api/v1/namespaces/a/pods/..%2f..%2fb%2fpods%2fp",
            "/api/v1/namespaces/a/pods/p/../../../b/pods/p",
            "/api/v1/namespaces/a%2f..%2fb/pods/p",
            "/api/v1/namespaces/b%00/pods/p",
            "/api/v1/namespaces//b/pods/p",
            "/api//v1/namespaces/b/pods/p",
            "//api/v1/namespaces/b/pods/p",
            "/./api/v1/namespaces/b/pods/p",
            "/API/v1/namespaces/b/pods/p",
            "/api/v1/namespaces/B/pods/p",
            "/api/v1/namespaces/b/Pods/p",
            "/api/v1/watch/namespaces/b/pods/p",
            "/api/v1/proxy/namespaces/b/pods/p",
            "/apis//v1/namespaces/b/pods/p",
            "/api/v1/namespaces/a/services/p/proxy/../../../../b/pods/p",
            "/healthz/../api/v1/namespaces/b/pods/p",
            "/version/%2e%2e/api/v1/namespaces/b/pods/p",
            "https://other.example.com/api/v1/namespaces/b/pods/p",
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port, ssl=world.tls(world.user("jane")))
        refused = 0
        for prefix in prefixes:
            for door in doors:
                for method, headers in (
                    ("POST", b"Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"),
                    ("GET", b""),
                ):
                    head = f"{method} {prefix}/{door}{query} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n".encode() + headers
                    writer.write(head + b"\r\n")
                    async with asyncio.timeout(10):
                        try:
                            answer = await reader.readuntil(b"\r\n\r\n")
                        except asyncio.IncompleteReadError as error:
                            answer = error.partial
                        code = int(answer.split()[1])
                        length = next(
                            (
                                int(one.split(b":")[1])
                                for one in answer.lower().split(b"\r\n")
                                if one.startswith(b"content-length")
                            ),
                            0,
                        )
                        await reader.readexactly(length)
                    assert code in (301, 400, 403, 404, 405, 406, 415), (prefix, door, method, code)
                    refused += 1
                    if reader.at_eof() or b"connection: close" in answer.lower() or answer.startswith(b"HTTP/1.0"):
                        writer.close()
                        reader, writer = await asyncio.open_connection(
                            "127.0.0.1", world.server.port, ssl=world.tls(world.user("jane"))
                        )
        writer.close()
        assert refused == len(prefixes) * len(doors) * 2
        assert nodes.opened == [], "nothing was opened on a node"
