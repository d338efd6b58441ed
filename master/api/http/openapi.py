"""GET /openapi/v2 and /openapi/v3: what `kubectl explain`, `apply` and validation read. Called by `SystemPaths`.

Making a document for the first time takes most of a second: that happens off the event loop, one at a time.
"""

import asyncio
import hashlib
from collections.abc import Callable
from typing import TypeVar

import orjson
from aiohttp import web

from master.api.discovery.openapi import OpenApiDocuments
from master.api.http.negotiation import media_types
from master.api.http.responses import encoded
from master.client.errors import StatusError

_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_PROTOBUFS = frozenset({_PROTOBUF, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"})
_JSON = "application/json"
_JSONS = frozenset({_JSON, "*/*", "application/*"})
T = TypeVar("T")


class OpenApiPaths:
    """The documents with their ETags; made anew when the served kinds change."""

    def __init__(self, documents: OpenApiDocuments) -> None:
        self._documents = documents
        self._making = asyncio.Lock()
        self._generation = -1
        self._tags: dict[str, str] = {}
        self._v3_tags: dict[str, str] | None = None

    async def respond(self, request: web.Request, below: list[str]) -> web.StreamResponse | None:
        """`below`: the segments after /openapi. None for a document that does not exist. Raises StatusError 406."""
        match below:
            case ["v2"]:
                return await self._v2(request)
            case ["v3"]:
                return await encoded(request, await self._v3_index())
            case ["v3", *path]:
                return await self._v3(request, "/".join(path))
        return None

    async def _v2(self, request: web.Request) -> web.StreamResponse:
        for media in media_types(request.headers.get("Accept", "") or "*/*"):
            if media.name in _PROTOBUFS:
                # Never the name with "@" that kubectl asks by: Go's own parser of media types refuses it in an answer.
                return await self._tagged(request, _PROTOBUF, _PROTOBUF, self._documents.v2_protobuf)
            if media.name in _JSONS:
                return await self._tagged(request, "v2", _JSON, self._documents.v2_json)
        raise _not_acceptable(f"{_JSON}, {_PROTOBUF}")

    async def _v3_index(self) -> bytes:
        urls = {path: f"/openapi/v3/{path}?hash={tag}" for path, tag in (await self._v3_known()).items()}
        return orjson.dumps({"paths": {path: {"serverRelativeURL": url} for path, url in urls.items()}})

    async def _v3_known(self) -> dict[str, str]:
        self._refresh()
        if self._v3_tags is None:
            generation = self._generation
            tags = await self._made(self._documents.v3_tags)
            if generation != self._generation:
                return tags
            self._v3_tags = tags
        return self._v3_tags

    async def _v3(self, request: web.Request, path: str) -> web.StreamResponse | None:
        tags = await self._v3_known()
        if path not in tags:
            return None
        media = {media.name for media in media_types(request.headers.get("Accept", "") or "*/*")}
        if not media & _JSONS:
            raise _not_acceptable(_JSON)
        if f'"{tags[path]}"' in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=_headers(tags[path], _JSON))
        try:
            raw = await self._made(lambda: self._documents.v3(path))
        except KeyError:
            return None  # its kinds have just gone
        return await encoded(request, raw, headers=_headers(tags[path], _JSON))

    async def _tagged(self, request: web.Request, name: str, media_type: str, make: Callable[[], bytes]) -> web.StreamResponse:
        self._refresh()
        known = self._tags.get(name)
        if known is not None and f'"{known}"' in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=_headers(known, media_type))
        generation = self._generation
        raw = await self._made(make)
        tag = tag_of(raw)
        if generation == self._generation:
            self._tags[name] = tag
        return await encoded(request, raw, headers=_headers(tag, media_type))

    def _refresh(self) -> None:
        """Forget what was known of documents that have changed."""
        if self._generation != self._documents.generation:
            self._generation = self._documents.generation
            self._tags.clear()
            self._v3_tags = None

    async def _made(self, make: Callable[[], T]) -> T:
        async with self._making:
            return await asyncio.to_thread(make)


def tag_of(raw: bytes) -> str:
    """A document's hash, for ETags and cacheable addresses."""
    return hashlib.sha256(raw).hexdigest().upper()[:32]


def _headers(tag: str, media_type: str) -> dict[str, str]:
    return {
        "ETag": f'"{tag}"',
        "Content-Type": media_type,
        "Vary": "Accept",
        "Cache-Control": "public, must-revalidate",
    }


def _not_acceptable(listed: str) -> StatusError:
    return StatusError(406, "NotAcceptable", f"only the following media types are accepted: {listed}")
