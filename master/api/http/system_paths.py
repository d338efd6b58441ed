"""Everything that is no resource: discovery, OpenAPI, version, health, metrics, and how nodes join."""

import platform
from collections.abc import Mapping

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from master.api.auth.protocol import UserInfo
from master.api.auth.service_account import openid
from master.api.auth.service_account.openid import OpenIdDiscovery
from master.api.discovery.documents import AggregatedVersion, Discovery
from master.api.discovery.openapi import OpenApiDocuments
from master.api.http import bodies
from master.api.http.health import PATHS as HEALTH_PATHS
from master.api.http.health import Health
from master.api.http.negotiation import media_types
from master.api.http.openapi import OpenApiPaths, tag_of
from master.api.http.protocols import Joiner
from master.api.http.request_info import RequestInfo
from master.api.http.resources import method_not_allowed, page_not_found
from master.api.http.responses import encoded, json_response
from master.api.settings import ApiSettings
from proto.version import KUBERNETES_VERSION, VERSION


class SystemPaths:
    def __init__(
        self,
        settings: ApiSettings,
        *,
        discovery: Discovery,
        openapi: OpenApiDocuments,
        health: Health,
        metrics: CollectorRegistry,
        joiner: Joiner | None,
        openid_discovery: OpenIdDiscovery | None = None,
    ) -> None:
        self._settings = settings
        self._discovery = discovery
        self._openapi = OpenApiPaths(openapi)
        self._health = health
        self._metrics = metrics
        self._joiner = joiner
        self._openid = openid_discovery

    async def respond(self, request: web.Request, info: RequestInfo, user: UserInfo) -> web.StreamResponse:
        """Raises StatusError 404 for a path that is none of these."""
        path = info.path.rstrip("/") or "/"
        if path == "/wherry/v1/join":
            return await self._join(request, user)
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed() if self._knows(path) else page_not_found()
        if path in HEALTH_PATHS:
            return self._health.respond(request)
        if self._openid is not None and (known := self._openid.document(path)) is not None:
            headers = {"Content-Type": known[1], "Cache-Control": "public, max-age=3600"}
            return await encoded(request, orjson.dumps(known[0]), headers=headers)
        match path.strip("/").split("/"):
            case [""]:
                return json_response({"paths": self._paths()})
            case ["version"]:
                return json_response(dict(version()))
            case ["metrics"]:
                return web.Response(body=generate_latest(self._metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})
            case ["api"]:
                return await self._root(request, core=True)
            case ["apis"]:
                return await self._root(request, core=False)
            case ["api", found]:
                return await self._document(request, self._discovery.resource_list("", found))
            case ["apis", group]:
                return await self._document(request, self._discovery.group(group))
            case ["apis", group, found]:
                return await self._document(request, self._discovery.resource_list(group, found))
            case ["openapi", *below]:
                document = await self._openapi.respond(request, below)
                if document is not None:
                    return document
            case ["wherry", "v1", "ca"] if self._joiner is not None:
                return web.Response(body=self._joiner.ca_pem(), headers={"Content-Type": "application/x-pem-file"})
        raise page_not_found()

    def _knows(self, path: str) -> bool:
        return path in HEALTH_PATHS | openid.PATHS or path.split("/")[1] in ("api", "apis", "openapi", "version", "metrics")

    # Discovery

    async def _root(self, request: web.Request, *, core: bool) -> web.StreamResponse:
        aggregated = _aggregated_version(request)
        if aggregated is not None:
            document = self._discovery.aggregated(core=core, version=aggregated)
            media_type = f"application/json;g=apidiscovery.k8s.io;v={aggregated};as=APIGroupDiscoveryList"
            return await self._tagged(request, orjson.dumps(document), media_type)
        if core:
            return json_response(self._discovery.api_versions(request.host))
        return json_response(self._discovery.group_list())

    async def _document(self, request: web.Request, document: "dict[str, object] | None") -> web.StreamResponse:
        if document is None:
            raise page_not_found()
        return await encoded(request, orjson.dumps(document))

    def _paths(self) -> list[str]:
        groups = [(group, found) for group, versions in self._discovery.groups.items() for found in versions]
        paths = {f"/apis/{group}/{found}" if group else f"/api/{found}" for group, found in groups}
        paths |= {f"/apis/{group}" for group, _ in groups if group}
        if self._openid is not None:
            paths |= openid.PATHS
        return sorted(paths | {"/api", "/apis", "/metrics", "/openapi/v2", "/openapi/v3", "/version"} | HEALTH_PATHS)

    async def _tagged(self, request: web.Request, raw: bytes, media_type: str) -> web.StreamResponse:
        """An answer with an ETag; 304 when the client has it already."""
        tag = f'"{tag_of(raw)}"'
        headers = {"ETag": tag, "Content-Type": media_type, "Vary": "Accept", "Cache-Control": "public, must-revalidate"}
        if tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        return await encoded(request, raw, headers=headers)

    # Joining

    async def _join(self, request: web.Request, user: UserInfo) -> web.StreamResponse:
        if self._joiner is None:
            raise page_not_found()
        if request.method != "POST":
            raise method_not_allowed()
        return json_response(await self._joiner.join(user, await self._object(request, user)), code=201)

    async def _object(self, request: web.Request, user: UserInfo) -> "dict[str, object]":
        settings = self._settings
        raw = await bodies.read(request, limit=settings.max_body_bytes, seconds=settings.body_timeout_seconds)
        decoded: dict[str, object] = (await bodies.decode_sent(raw, bodies.content_type(request), user)).value
        return decoded


def version() -> Mapping[str, str]:
    """GET /version: the Kubernetes release that is followed; clients compare it with their own."""
    major, minor, _ = KUBERNETES_VERSION.split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{KUBERNETES_VERSION}+wherry.{VERSION}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": f"CPython {platform.python_version()}",
        "platform": f"linux/{platform.machine()}",
    }


def _aggregated_version(request: web.Request) -> AggregatedVersion | None:
    """Which aggregated discovery the client prefers to the plain one, if any."""
    for media in media_types(request.headers.get("Accept", "")):
        if media.get("as") == "APIGroupDiscoveryList" and media.get("g") == "apidiscovery.k8s.io":
            if media.get("v") == "v2":
                return "v2"
            if media.get("v") == "v2beta1":
                return "v2beta1"
        elif media.name in ("application/json", "*/*") and not media.get("as"):
            return None
    return None
