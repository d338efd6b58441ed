"""What the HTTP server calls for pods/{exec,attach,portforward}: picks the protocol and bridges to the node."""

import asyncio
import secrets
from typing import Any

from aiohttp import hdrs, web

from master.api.http.query import is_true
from master.api.streaming import port_channels, port_forward, websocket
from master.api.streaming.connection import ByteConnection, Upgraded, WebSocketConnection, upgrade
from master.api.streaming.containers import choose_container
from master.api.streaming.idle import closed_when_idle
from master.api.streaming.remote_command import (
    RESIZE,
    SPDY_VERSIONS,
    STDIN,
    WEBSOCKET_VERSIONS,
    NotBegun,
    SpdyCarrier,
    Wanted,
    WebSocketCarrier,
    begun,
    bridge,
    internal_error,
)
from master.api.streaming.spdy import SpdySession
from master.client.errors import bad_request
from master.client.streams import NodeStreams
from proto.messages import StreamOpen
from proto.stream import Stream

Json = dict[str, Any]

_STANDARD = ("stdin", "stdout", "stderr", "tty")


class PodStreaming:
    """Serves the streaming subresources of pods through the streams of their nodes."""

    def __init__(self, nodes: NodeStreams) -> None:
        self._nodes = nodes

    async def handle(self, request: web.Request, pod: Json, subresource: str) -> web.StreamResponse:
        """Raises StatusError before the connection is upgraded; afterwards errors travel inside the protocol."""
        spdy = request.headers.get(hdrs.UPGRADE, "").lower() == "spdy/3.1"
        if not spdy and not websocket.is_websocket(request):
            raise bad_request("Upgrade request required")
        # Before anything runs on the node.
        websocket.check_origin(request)
        if not pod.get("spec", {}).get("nodeName"):
            raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
        if subresource == "portforward":
            return await (self._forward_spdy(request, pod) if spdy else self._forward_websocket(request, pod))
        return await self._remote_command(request, pod, subresource, spdy=spdy)

    async def _remote_command(self, request: web.Request, pod: Json, kind: str, *, spdy: bool) -> web.StreamResponse:
        wanted = Wanted(**{name: is_true(request.query.get(name, "")) for name in _STANDARD})
        container = choose_container(pod, request.query.get("container", ""))
        if not (wanted.stdin or wanted.stdout or wanted.stderr):
            raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
        options: Json = {name: getattr(wanted, name) for name in _STANDARD}
        if kind == "exec":
            options["command"] = request.query.getall("command", [])
            if not options["command"]:
                raise bad_request("you must specify at least one command for the container")
        if spdy:
            version = websocket.choose(_offered_spdy(request), SPDY_VERSIONS)
        else:
            version = websocket.choose(websocket.offered(request), WEBSOCKET_VERSIONS)
        stream = await self._open(pod, kind, container, options)
        try:
            try:
                await begun(stream)
            except NotBegun as error:
                if version.startswith("v5."):
                    # Its clients look for errors on the error channel only.
                    carrier = WebSocketCarrier(await websocket.open_socket(request, version))
                    await carrier.finish(internal_error(f"unable to upgrade connection: {error}"))
                    return Upgraded()
                return web.Response(status=error.code, text=str(error))
            if spdy:
                return await _serve_spdy(request, wanted, version, stream)
            socket = await websocket.open_socket(request, version)
            async with closed_when_idle() as active:
                await bridge(WebSocketCarrier(socket), stream, active=active)
            return socket
        finally:
            await stream.close()

    async def _forward_spdy(self, request: web.Request, pod: Json) -> web.StreamResponse:
        protocol = websocket.choose(_offered_spdy(request), (port_forward.PROTOCOL,))
        connection = _upgrade_to_spdy(request, protocol)
        try:
            async with closed_when_idle() as active:
                await port_forward.serve(SpdySession(connection, active), self._opener(pod))
        finally:
            await connection.close()
        return Upgraded()

    async def _forward_websocket(self, request: web.Request, pod: Json) -> web.StreamResponse:
        """SPDY inside the WebSocket (kubectl since 1.31), or numbered channels (client libraries)."""
        protocol = websocket.choose(websocket.offered(request), (port_forward.WEBSOCKET_PROTOCOL, *port_channels.PROTOCOLS))
        if protocol != port_forward.WEBSOCKET_PROTOCOL:
            ports = port_channels.ports_of(request.query.getall("ports", []))
            socket = await websocket.open_socket(request, protocol)
            async with closed_when_idle() as active:
                await port_channels.serve(socket, ports, self._opener(pod), active=active)
            return socket
        socket = await websocket.open_socket(request, protocol)
        async with closed_when_idle() as active:
            await port_forward.serve(SpdySession(WebSocketConnection(socket), active), self._opener(pod))
        await socket.close()
        return socket

    def _opener(self, pod: Json) -> port_forward.OpenPort:
        async def open_port(port: int) -> Stream:
            return await self._open(pod, "portforward", "", {"port": port})

        return open_port

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


async def _serve_spdy(request: web.Request, wanted: Wanted, version: str, stream: Stream) -> web.StreamResponse:
    connection = _upgrade_to_spdy(request, version)
    try:
        async with closed_when_idle() as active, asyncio.TaskGroup() as tasks:
            session = SpdySession(connection, active)
            reader = tasks.create_task(session.run())
            try:
                carrier = await SpdyCarrier.accept(session, wanted, version)
            except (TimeoutError, ConnectionResetError) as error:
                await stream.close(str(error), 400)
                reader.cancel()
                return Upgraded()
            pumps = [tasks.create_task(carrier.pump(channel)) for channel in (STDIN, RESIZE)]
            bridged = tasks.create_task(bridge(carrier, stream, active=active))
            await asyncio.wait((reader, bridged), return_when=asyncio.FIRST_COMPLETED)
            if not bridged.done():
                await stream.close("the client went away", 499)
                bridged.cancel()
            for pump in pumps:
                pump.cancel()
            reader.cancel()
    finally:
        await connection.close()
    return Upgraded()


def _upgrade_to_spdy(request: web.Request, version: str) -> ByteConnection:
    headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
    if version:
        headers["X-Stream-Protocol-Version"] = version
    return upgrade(request, headers)


def _offered_spdy(request: web.Request) -> list[str]:
    values = request.headers.getall("X-Stream-Protocol-Version", [])
    return [text.strip() for value in values for text in value.split(",") if text.strip()]
