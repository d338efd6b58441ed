"""The webhook client against a real HTTPS server, and through a Service's endpoints."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from master.api.webhook.client import CallFailed, WebhookClient
from master.api.webhook.services import ServiceEndpoints
from master.client.protocol import ResourceRef
from master.host import default_address
from tests.integration.api_world import ApiWorld, api_world
from tests.integration.webhook_server import Json, slowly, webhook_server

SERVICES = ResourceRef("", "v1", "services")
SLICES = ResourceRef("discovery.k8s.io", "v1", "endpointslices")


@asynccontextmanager
async def client_of(world: ApiWorld) -> AsyncIterator[WebhookClient]:
    client = WebhookClient(ServiceEndpoints(world.registry.storage.cache))
    try:
        yield client
    finally:
        await client.close()


def echo(body: Json, path: str) -> Json | web.Response:
    match path:
        case "moved":
            return web.Response(status=307, headers={"Location": "https://127.0.0.1:1/elsewhere"})
        case "long":
            return web.Response(body=b'{"a":"' + b"x" * 5000 + b'"}')
        case "broken":
            return web.Response(body=b"<html>")
        case "list":
            return web.Response(body=b"[]")
        case "error":
            return web.Response(status=500, text="out of order")
        case "missing":
            return web.Response(status=404)
        case "status":
            return web.Response(status=418, body=b'{"kind":"Status","message":"I am a teapot"}')
    return {"path": path, "got": body}


async def test_posts_json_and_uses_connections_again(tmp_path: Path) -> None:
    async with api_world(tmp_path) as world, client_of(world) as client, webhook_server(tmp_path, echo) as server:
        for number in range(5):
            answer = await client.post(server.config("check"), b'{"n":%d}' % number, seconds=5)
            assert answer == {"path": "check", "got": {"n": number}}
        assert len(server.connections) == 1
        assert server.received[0][0] == "/check?timeout=5s"


async def test_what_is_no_good_answer_is_refused_in_kubernetes_words(tmp_path: Path) -> None:
    async with api_world(tmp_path) as world, client_of(world) as client, webhook_server(tmp_path, echo) as server:
        expected = {
            "moved": "the server responded with the status code 307 but did not return more information",
            "broken": "couldn't get version/kind; json parse error",
            "list": "the answer is no object",
            "error": 'an error on the server ("out of order") has prevented the request from succeeding',
            "missing": "the server could not find the requested resource",
            "status": "I am a teapot",
        }
        for path, words in expected.items():
            with pytest.raises(CallFailed) as refused:
                await client.post(server.config(path), b"{}", seconds=5)
            assert words in str(refused.value)
        with pytest.raises(CallFailed, match="longer than 4096 bytes"):
            await client.post(server.config("long"), b"{}", seconds=5, answer_bytes=4096)


async def test_a_server_that_cannot_be_trusted_or_reached_is_named(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = unused.getsockname()[1]
    async with api_world(tmp_path) as world, client_of(world) as client, webhook_server(tmp_path, echo) as server:
        other = world.authority.certificate_pem
        cases: list[tuple[Json, str]] = [
            ({"url": server.url()}, "x509: certificate signed by unknown authority"),
            ({**server.config(), "caBundle": "bm90IGEgY2VydGlmaWNhdGU="}, "unable to parse bytes as PEM block"),
            ({**server.config(), "url": f"https://localhost:{server.port}/"}, "certificate is not valid for localhost"),
            (
                {**server.config(), "url": f"https://127.0.0.1:{closed}/"},
                f"dial tcp 127.0.0.1:{closed}: connect: connection refused",
            ),
            ({**server.config(), "url": "http://127.0.0.1/"}, "Unparsable URL"),
            ({**server.config(), "url": "https://user@127.0.0.1/"}, "Unparsable URL"),
            ({}, "webhook configuration must have either service or URL"),
        ]
        assert other
        for config, words in cases:
            with pytest.raises(CallFailed) as refused:
                await client.post(config, b"{}", seconds=5)
            assert words in str(refused.value)


async def test_a_slow_server_ends_with_the_deadline(tmp_path: Path) -> None:
    async with (
        api_world(tmp_path) as world,
        client_of(world) as client,
        webhook_server(tmp_path, lambda body, path: slowly(20, body)) as server,
    ):
        with pytest.raises(CallFailed, match="context deadline exceeded"):
            await client.post(server.config(), b"{}", seconds=0.2)


async def test_a_service_is_reached_through_a_ready_endpoint(tmp_path: Path) -> None:
    async with (
        api_world(tmp_path) as world,
        client_of(world) as client,
        webhook_server(tmp_path, echo, "hook.default.svc") as server,
    ):
        config: Json = {
            "service": {"namespace": "default", "name": "hook", "path": "/convert", "port": 8443},
            "caBundle": server.ca_bundle,
        }

        async def refused() -> str:
            with pytest.raises(CallFailed) as error:
                await client.post(config, b"{}", seconds=5)
            return str(error.value)

        assert await refused() == 'Post "https://hook.default.svc:8443/convert?timeout=5s": service "hook" not found'
        service = {"metadata": {"name": "hook"}, "spec": {"ports": [{"port": 8443, "targetPort": 9}]}}
        await world.registry.create(SERVICES, "default", service)
        assert (await refused()).endswith('no endpoints available for service "hook"')
        piece: Json = {
            "metadata": {"name": "hook-1", "labels": {"kubernetes.io/service-name": "hook"}},
            "addressType": "IPv4",
            "endpoints": [
                {"addresses": ["192.0.2.9"], "conditions": {"ready": False}},
                {"addresses": [str(default_address())], "conditions": {"ready": True}},
            ],
            "ports": [{"name": "", "port": server.port, "protocol": "TCP"}],
        }
        await world.registry.create(SLICES, "default", piece)
        assert await client.post(config, b"{}", seconds=5) == {"path": "convert", "got": {}}
        config["service"]["port"] = 443
        assert (await refused()).endswith('no service port 443 found for service "hook"')
