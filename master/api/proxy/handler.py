"""What the HTTP server calls for the proxy subresources: passes one request on and its answer back, or joins an upgrade."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator

from aiohttp import hdrs, web
from multidict import CIMultiDict

from master.api.http.request_info import RequestInfo
from master.api.proxy import exchange
from master.api.proxy.connection import Connection, connected, unwrapped
from master.api.proxy.headers import Rewriter, downstream, upstream
from master.api.proxy.links import MAX_PAGE_BYTES, decoded, rewrite_page
from master.api.proxy.target import Read, Target, node_target, pod_target, service_target
from master.api.streaming.connection import Upgraded, UpgradedConnection, upgrade
from master.client.errors import StatusError, bad_request
from master.client.streams import NodeStreams
from proto.messages import StreamOpen

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Proxy:
    """Serves pods/proxy, services/proxy and nodes/proxy."""

    def __init__(self, nodes: NodeStreams, read: Read) -> None:
        self._nodes = nodes
        self._read = read

    async def respond(self, request: web.Request, info: RequestInfo) -> web.StreamResponse:
        """Raises StatusError: 400 for a name that is none, 404, 503 when the target cannot be reached."""
        if request.method not in _METHODS:
            raise StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        target = await self._target(info)
        prefix, path = _split_path(request, info)
        if not path:
            # Relative links of the page below would miss the name.
            if request.method not in ("GET", "HEAD"):
                path = "/"
            else:
                query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
                return web.Response(status=301, headers={"Location": f"{prefix}/{query}"})
        if request.rel_url.raw_query_string:
            path += f"?{request.rel_url.raw_query_string}"
        opened = StreamOpen(
            id=secrets.token_hex(16),
            kind=target.kind,
            namespace=target.namespace,
            pod=target.pod,
            uid=target.uid,
            container="",
            options=target.options,
        )
        stream = await self._nodes.open(target.node, opened)
        rewriter = Rewriter(prefix, target_host=target.host, request_host=request.host)
        try:
            async with connected(stream, tls=target.tls) as connection:
                if _wants_upgrade(request):
                    return await _upgrade(request, path, connection, rewriter)
                return await _exchange(request, path, connection, rewriter)
        except ConnectionResetError:
            raise  # the client's own connection
        except OSError as error:
            raise _unreachable(str(error)) from error

    async def _target(self, info: RequestInfo) -> Target:
        match info.resource:
            case "pods":
                return await pod_target(self._read, info.namespace, info.name)
            case "services":
                return await service_target(self._read, info.namespace, info.name)
            case _:
                return await node_target(self._read, info.name)


def _split_path(request: web.Request, info: RequestInfo) -> tuple[str, str]:
    """The raw path up to the subresource, and what follows it ("" or "/…"). Raises StatusError 404."""
    raw = request.rel_url.raw_path
    at = 0
    for _ in range(7 if info.namespace else 5):
        while raw[at : at + 1] == "/":
            at += 1
        following = raw.find("/", at)
        at = following if following >= 0 else len(raw)
    if not raw[:at].endswith("/proxy"):  # a slash in percent form, or another spelling of the same path
        raise StatusError(404, "NotFound", "the server could not find the requested resource", details={})
    return raw[:at], raw[at:]


def _wants_upgrade(request: web.Request) -> bool:
    tokens = {text.strip().lower() for value in request.headers.getall(hdrs.CONNECTION, []) for text in value.split(",")}
    return "upgrade" in tokens and bool(request.headers.get(hdrs.UPGRADE))


async def _exchange(request: web.Request, path: str, connection: Connection, rewriter: Rewriter) -> web.StreamResponse:
    headers = list(upstream(request, upgrade=False))
    chunked = False
    if request.body_exists:
        length = request.content_length
        chunked = length is None
        headers.append(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(length)))
    elif request.method in ("POST", "PUT", "PATCH"):
        headers.append(("Content-Length", "0"))
    connection.writer.write(exchange.request_head(request.method, path, headers))
    async with unwrapped(), asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(_send_body(request, connection.writer, chunked=chunked))
        try:
            return await _answer(request, connection, await _head(connection), rewriter)
        finally:
            sending.cancel()


async def _send_body(request: web.Request, writer: asyncio.StreamWriter, *, chunked: bool) -> None:
    """A target may answer before it has read all: then what is left is not sent."""
    with contextlib.suppress(OSError, web.RequestPayloadError):
        await writer.drain()
        if not request.body_exists:
            return
        async for piece in request.content.iter_any():
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            await writer.drain()
        if chunked:
            writer.write(b"0\r\n\r\n")
            await writer.drain()


async def _head(connection: Connection) -> exchange.Head:
    try:
        return await exchange.read_head(connection.reader)
    except exchange.NotHttp as error:
        if connection.problem is None:
            raise _unreachable(str(error)) from error
        if connection.problem.code == 400:
            raise bad_request(str(connection.problem)) from error
        raise _unreachable(str(connection.problem)) from error


async def _answer(request: web.Request, connection: Connection, head: exchange.Head, rewriter: Rewriter) -> web.StreamResponse:
    try:
        length = exchange.body_length(request.method, head)
    except exchange.NotHttp as error:
        raise _unreachable(str(error)) from error
    headers = CIMultiDict(downstream(head.headers))
    pieces = exchange.body(connection.reader, request.method, head)
    page = length != 0 and "Location" not in headers and _is_page(headers)
    if "Location" in headers:
        headers["Location"] = rewriter.rewrite(headers["Location"])
    began: list[bytes] = []
    try:
        if page:
            began, whole = await _gather(pieces)
            encoding = headers.get("Content-Encoding", "")
            if whole and (plain := decoded(b"".join(began), encoding)) is not None:
                headers.pop("Content-Encoding", None)
                began = [await asyncio.to_thread(rewrite_page, plain, rewriter.rewrite)]
                length = len(began[0])
        response = web.StreamResponse(status=head.status, reason=head.reason, headers=headers)
        if request.method == "HEAD" and "Content-Length" in head.headers:
            response.headers["Content-Length"] = head.headers["Content-Length"]
        elif length:
            response.content_length = length
        await response.prepare(request)
        for piece in began:
            await response.write(piece)
        async for piece in pieces:
            await response.write(piece)
    except exchange.NotHttp as error:
        # The client must see that the answer is not whole.
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError(f"the target broke off: {error}") from error
    await response.write_eof()
    return response


def _is_page(headers: CIMultiDict[str]) -> bool:
    return headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/html"


async def _gather(pieces: AsyncIterator[bytes]) -> tuple[list[bytes], bool]:
    """Pieces up to the largest page, and whether these are all."""
    found: list[bytes] = []
    size = 0
    async for piece in pieces:
        found.append(piece)
        size += len(piece)
        if size > MAX_PAGE_BYTES:
            return found, False
    return found, True


async def _upgrade(request: web.Request, path: str, connection: Connection, rewriter: Rewriter) -> web.StreamResponse:
    connection.writer.write(exchange.request_head(request.method, path, upstream(request, upgrade=True)))
    head = await _head(connection)
    if head.status != 101:
        return await _answer(request, connection, head, rewriter)
    headers = CIMultiDict(downstream(head.headers))
    headers["Connection"], headers["Upgrade"] = "Upgrade", head.headers.get("Upgrade", "")
    client = upgrade(request, headers)
    try:
        async with asyncio.TaskGroup() as tasks:
            ways = {
                tasks.create_task(_from_client(client, connection.writer)),
                tasks.create_task(_to_client(connection.reader, client)),
            }
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
    finally:
        await client.close()
    return Upgraded()


async def _from_client(client: UpgradedConnection, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await client.read():
            writer.write(data)
            await writer.drain()


async def _to_client(reader: asyncio.StreamReader, client: UpgradedConnection) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(64 * 1024):
            await client.write(data)


def _unreachable(why: str) -> StatusError:
    return StatusError(503, "ServiceUnavailable", f"error trying to reach service: {why}")
