"""What tests of admission webhooks share: a real HTTPS server beside a real API, and answers by path."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.integration.api_world import ApiWorld, api_world
from tests.integration.webhook_server import Answer, Json, WebhookServer, allowed, denied, patched, webhook_server

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
GROUP = "/apis/admissionregistration.k8s.io/v1"
ALL_OPERATIONS = ["CREATE", "UPDATE", "DELETE"]


def rule(*operations: str, group: str = "", resources: str = "configmaps", **more: Any) -> Json:
    return {
        "operations": list(operations) or ALL_OPERATIONS,
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "resources": [resources],
        **more,
    }


def hook(server: WebhookServer, path: str, *rules: Json, **more: Any) -> Json:
    return {
        "name": f"{path}.example.com",
        "clientConfig": server.config(path),
        "rules": list(rules) or [rule()],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 5,
        **more,
    }


class Hooks:
    """A server, its webhooks, and an administrator's HTTP client."""

    def __init__(self, world: ApiWorld, server: WebhookServer, http: aiohttp.ClientSession) -> None:
        self.world = world
        self.server = server
        self.http = http

    async def configure(self, kind: str, *hooks: Json, name: str = "test") -> None:
        plural = f"{kind.lower()}webhookconfigurations"
        body = {"metadata": {"name": name}, "webhooks": list(hooks)}
        async with self.http.post(f"{GROUP}/{plural}", json=body) as response:
            assert response.status == 201, await response.text()

    async def mutating(self, *hooks: Json, name: str = "test") -> None:
        await self.configure("Mutating", *hooks, name=name)

    async def validating(self, *hooks: Json, name: str = "test") -> None:
        await self.configure("Validating", *hooks, name=name)

    async def create(self, name: str = "a", path: str = CONFIG_MAPS, **body: Any) -> tuple[int, Json]:
        async with self.http.post(path, json={"metadata": {"name": name, **body.pop("metadata", {})}, **body}) as response:
            return response.status, await response.json()

    def requests(self, path: str = "") -> list[Json]:
        """The reviews that were asked, of one path or of all."""
        return [body["request"] for asked, body in self.server.received if asked.startswith(f"/{path}")]


@asynccontextmanager
async def hooks(folder: Path, answer: Answer) -> AsyncIterator[Hooks]:
    async with (
        api_world(folder) as world,
        webhook_server(folder, answer) as server,
        world.http(world.admin()) as http,
    ):
        yield Hooks(world, server, http)


def by_path(review: Json, path: str) -> Json | web.Response:
    """The answer that a path is named after."""
    match path:
        case "deny":
            return denied(review, message="not today", code=403, reason="Forbidden")
        case "deny-silently":
            return denied(review)
        case "label":
            return patched(review, {"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}})
        case "warn":
            return allowed(review, warnings=["mind the gap"], auditAnnotations={"why": "because"})
        case "wrong-uid":
            return {**allowed(review), "response": {"uid": "x", "allowed": True}}
        case "no-json":
            return web.Response(text="hello")
        case "broken":
            return web.Response(status=500, text="out of order")
    return allowed(review)
