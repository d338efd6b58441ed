"""Large lists, sent piece by piece as the client reads them: neither the whole body nor its compressed form is ever in memory.

Called by `Resources` for plain JSON lists. 64 clients that listed 5,500 pods at once made the master 600 MB larger when each
had a body of its own; the objects themselves are in the watch cache already. A client that stops reading is given up.
"""

import asyncio
import zlib
from collections.abc import Iterator

from aiohttp import web

from master.api.audit.current import wants_response
from master.api.http.forms import page_frame
from master.api.http.negotiation import Accepted
from master.api.http.responses import GZIP_LEVEL, accepts_gzip
from master.api.kinds.kind import Kind
from master.api.registry.listing import Page
from master.api.registry.watching import shown

#: Smaller lists are one answer, with its length.
_LARGE_BYTES = 1024 * 1024
#: What is joined, compressed and written at once.
_PIECE_BYTES = 256 * 1024
#: How long a client may take to read one piece (kube-apiserver gives a whole request 60 s).
_PIECE_SECONDS = 60.0


def is_large(request: web.Request, page: Page, accepted: Accepted) -> bool:
    """Whether the list is one to send in pieces."""
    if accepted.form or accepted.yaml or request.method == "HEAD" or wants_response():
        return False
    size = 0
    for cached in page.objects:
        size += len(cached.raw)
        if size > _LARGE_BYTES:
            return True
    return False


async def send(request: web.Request, kind: Kind, page: Page) -> web.StreamResponse:
    """The list as the answer. Raises ConnectionError when the client went away or reads too slowly."""
    response = web.StreamResponse(headers={"Cache-Control": "no-cache, private", "Content-Type": "application/json"})
    compressor = None
    if accepts_gzip(request):
        compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
    await response.prepare(request)
    for piece in _pieces(kind, page):
        data = piece if compressor is None else await asyncio.to_thread(compressor.compress, piece)
        await _write(request, response, data)
    if compressor is not None:
        await _write(request, response, compressor.flush())
    return response


async def _write(request: web.Request, response: web.StreamResponse, data: bytes) -> None:
    if not data:
        return
    try:
        async with asyncio.timeout(_PIECE_SECONDS):
            await response.write(data)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the client does not read the list") from None
    await asyncio.sleep(0)  # others get their turn between two pieces


def _pieces(kind: Kind, page: Page) -> Iterator[bytes]:
    head, tail = page_frame(kind, page)
    waiting, size, separator = [head], len(head), b""
    for cached in page.objects:
        raw = shown(kind, cached)
        waiting.append(separator)
        waiting.append(raw)
        separator = b","
        size += len(raw)
        if size >= _PIECE_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    waiting.append(tail)
    yield b"".join(waiting)
