"""What the HTTP server calls for pods/{exec,attach,portforward}: picks the protocol and bridges to the node."""

import asyncio
import secrets
from typing import Any

from aiohttp import hdrs, web

from master.api.streaming import port_forward
from master.api.streaming.connection import ByteConnection, Upgraded, WebSocketConnection, upgrade
from master.api.streaming.remote_command import (
    MAX_MESSAGE_BYTES,
    RESIZE,
    SPDY_VERSIONS,
    STDIN,
    WEBSOCKET_VERSIONS,
    SpdyCarrier,
    Wanted,
    WebSocketCarrier,
    bridge,
    choose,
)
from master.api.streaming.spdy import SpdySession
from master.client.errors import StatusError, bad_request
from master.client.streams import NodeStreams
from proto.messages import StreamOpen
from proto.stream import Stream

Json = dict[str, Any]

_TRUE = frozenset({"true", "1", "True", "TRUE", "t", "T"})


class PodStreaming:
    """Serves the streaming subresources of pods through the streams of their nodes."""

    def __init__(self, nodes: NodeStreams) -> None:
        self._nodes = nodes

    async def handle(self, request: web.Request, pod: Json, subresource: str) -> web.StreamResponse:
        """Raises StatusError before the connection is upgraded; afterwards errors travel inside the protocol."""
        upgraded = request.headers.get(hdrs.UPGRADE, "").lower()
        if upgraded not in ("websocket", "spdy/3.1"):
            raise bad_request("Upgrade request required")
        if not pod.get("spec", {}).get("nodeName"):
            raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
        if subresource == "portforward":
            return await self._port_forward(request, pod, websocket=upgraded == "websocket")
        return await self._remote_command(request, pod, subresource, websocket=upgraded == "websocket")

    async def _remote_command(self, request: web.Request, pod: Json, kind: str, *, websocket: bool) -> web.StreamResponse:
        query = request.query
        wanted = Wanted(**{name: query.get(name, "") in _TRUE for name in ("stdin", "stdout", "stderr", "tty")})
        if not (wanted.stdin or wanted.stdout or wanted.stderr):
            raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
        options: Json = {name: getattr(wanted, name) for name in ("stdin", "stdout", "stderr", "tty")}
        if kind == "exec":
            options["command"] = query.getall("command", [])
            if not options["command"]:
                raise bad_request("you must specify at least one command for the container")
        offered = _offered(request)
        version = choose(offered, WEBSOCKET_VERSIONS if websocket else SPDY_VERSIONS)
        if version is None:
            raise StatusError(403, "Forbidden", f"unable to upgrade: none of {offered} is supported")
        container = choose_container(pod, query.get("container", ""))
        stream = await self._open(pod, kind, container, options)
        if websocket:
            socket = web.WebSocketResponse(protocols=(version,), max_msg_size=MAX_MESSAGE_BYTES)
            try:
                await socket.prepare(request)
                await bridge(WebSocketCarrier(socket), stream)
            finally:
                await stream.close()
            return socket
        connection = _upgrade_to_spdy(request, version)
        try:
            await _serve_spdy(connection, wanted, stream)
        finally:
            await stream.close()
            await connection.close()
        return Upgraded()

    async def _port_forward(self, request: web.Request, pod: Json, *, websocket: bool) -> web.StreamResponse:
        async def open_port(port: int) -> Stream:
            return await self._open(pod, "portforward", "", {"port": port})

        if websocket:
            socket = web.WebSocketResponse(protocols=(port_forward.WEBSOCKET_PROTOCOL,), max_msg_size=MAX_MESSAGE_BYTES)
            if port_forward.WEBSOCKET_PROTOCOL not in _offered(request):
                raise bad_request(f"unable to upgrade: the client must offer {port_forward.WEBSOCKET_PROTOCOL}")
            await socket.prepare(request)
            await port_forward.serve(SpdySession(WebSocketConnection(socket)), open_port)
            await socket.close()
            return socket
        if port_forward.PROTOCOL not in _offered(request):
            raise StatusError(403, "Forbidden", f"unable to upgrade: the client must offer {port_forward.PROTOCOL}")
        connection = _upgrade_to_spdy(request, port_forward.PROTOCOL)
        try:
            await port_forward.serve(SpdySession(connection), open_port)
        finally:
            await connection.close()
        return Upgraded()

    async def _open(self, pod: Json, kind: str, container: str, options: Json) -> Stream:
        metadata = pod["metadata"]
        return await self._nodes.open(
            pod["spec"]["nodeName"],
            StreamOpen(
                id=secrets.token_hex(16),
                kind=kind,
                namespace=metadata["namespace"],
                pod=metadata["name"],
                uid=metadata["uid"],
                container=container,
                options=options,
            ),
        )


async def _serve_spdy(connection: ByteConnection, wanted: Wanted, stream: Stream) -> None:
    session = SpdySession(connection)
    async with asyncio.TaskGroup() as tasks:
        reader = tasks.create_task(session.run())
        try:
            carrier = await SpdyCarrier.accept(session, wanted)
        except (TimeoutError, ConnectionResetError) as error:
            await stream.close(str(error), 400)
            reader.cancel()
            return
        pumps = [tasks.create_task(carrier.pump(channel)) for channel in (STDIN, RESIZE)]
        bridged = tasks.create_task(bridge(carrier, stream))
        await asyncio.wait((reader, bridged), return_when=asyncio.FIRST_COMPLETED)
        if not bridged.done():
            await stream.close("the client went away", 499)
            bridged.cancel()
        for pump in pumps:
            pump.cancel()
        reader.cancel()


def _upgrade_to_spdy(request: web.Request, version: str) -> ByteConnection:
    return upgrade(request, {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": version})


def _offered(request: web.Request) -> list[str]:
    """Subprotocols that the client offers, by WebSocket's header or by SPDY's."""
    values = request.headers.getall("X-Stream-Protocol-Version", []) + request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, [])
    return [text.strip() for value in values for text in value.split(",") if text.strip()]


def choose_container(pod: Json, name: str) -> str:
    """The container that a request names, or the only or default one. Raises StatusError 400 in Kubernetes' words."""
    spec = pod["spec"]
    names: list[str] = [
        container["name"]
        for field in ("containers", "initContainers", "ephemeralContainers")
        for container in spec.get(field) or ()
    ]
    pod_name = pod["metadata"]["name"]
    if name:
        if name not in names:
            raise bad_request(f"container {name} is not valid for pod {pod_name}")
        return name
    annotations: dict[str, str] = pod["metadata"].get("annotations") or {}
    default = annotations.get("kubectl.kubernetes.io/default-container", "")
    if default in names:
        return default
    regular = [container["name"] for container in spec["containers"]]
    if len(regular) > 1:
        choices = " ".join(regular)
        raise bad_request(f"a container name must be specified for pod {pod_name}, choose one of: [{choices}]")
    return str(regular[0])
