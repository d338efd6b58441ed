"""Answers: JSON or YAML bytes, Status bodies, gzip for large ones."""

import asyncio
import zlib

import orjson
import yaml
from aiohttp import web

from master.api.audit.current import response_object
from master.api.http.negotiation import media_types
from master.api.http.warnings import warning_header
from master.client.errors import StatusError
from master.client.protocol import Json

#: Smaller answers are not worth compressing (kube-apiserver's threshold).
_COMPRESS_BYTES = 128 * 1024
#: Larger ones are compressed off the event loop.
_OFF_LOOP_BYTES = 512 * 1024
#: The fastest: answers are compressed once and read once.
GZIP_LEVEL = 1

#: The requests of clients that said what they send is old or wrong in part: text of each Warning header.
Warnings = list[str]


async def encoded(
    request: web.Request,
    raw: bytes,
    *,
    code: int = 200,
    as_yaml: bool = False,
    warnings: Warnings | None = None,
    headers: dict[str, str] | None = None,
) -> web.Response:
    """An answer that is JSON already."""
    response_object(raw)
    fields = {"Cache-Control": "no-cache, private"} if headers is None else dict(headers)
    media_type = "application/json"
    if as_yaml:
        raw = yaml.safe_dump(orjson.loads(raw), sort_keys=False, allow_unicode=True).encode()
        media_type = "application/yaml"
    fields.setdefault("Content-Type", media_type)
    if len(raw) >= _COMPRESS_BYTES and accepts_gzip(request):
        raw = await asyncio.to_thread(_gzip, raw) if len(raw) > _OFF_LOOP_BYTES else _gzip(raw)
        fields["Content-Encoding"] = "gzip"
        fields["Vary"] = "Accept-Encoding"
    response = web.Response(body=raw, status=code, headers=fields)
    for warning in warnings or ():
        response.headers.add("Warning", warning_header(warning))
    return response


def json_response(content: Json, *, code: int = 200) -> web.Response:
    return web.Response(
        body=orjson.dumps(content),
        status=code,
        headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"},
    )


def text_response(text: str, *, code: int = 200) -> web.Response:
    headers = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    return web.Response(text=text, status=code, headers=headers)


def error_response(error: StatusError) -> web.Response:
    response = json_response(error.body, code=error.code)
    seconds = (error.details or {}).get("retryAfterSeconds")
    if seconds:
        response.headers["Retry-After"] = str(seconds)
    if error.code == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="wherry"'
    return response


def accepts_gzip(request: web.Request) -> bool:
    return any(media.name == "gzip" for media in media_types(request.headers.get("Accept-Encoding", "")))


def _gzip(raw: bytes) -> bytes:
    compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return compressor.compress(raw) + compressor.flush()
