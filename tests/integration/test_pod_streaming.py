"""exec and port-forward over a real HTTP server: a SPDY client on a raw socket, a WebSocket client, and the two ends of a
stream as fleet and agent hold them."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError, web

from master.api.http.responses import error_response
from master.api.streaming.handler import PodStreaming
from master.api.streaming.idle import closed_when_idle
from master.api.streaming.spdy_frames import Data, Decoder, Encoder, Frame, Ping, SynReply, SynStream
from master.client.errors import StatusError
from proto.messages import Message, StreamOpen
from proto.stream import Stream, StreamBroken

POD = {
    "metadata": {"name": "p", "namespace": "default", "uid": "u-1"},
    "spec": {"nodeName": "n1", "containers": [{"name": "c"}]},
}
Node = Callable[[StreamOpen, Stream], Coroutine[Any, Any, None]]


class LoopbackNodes:
    """NodeStreams whose node is a coroutine of the test, joined by two real Streams."""

    def __init__(self, tasks: asyncio.TaskGroup, node: Node) -> None:
        self._tasks = tasks
        self._node = node
        self.opened: list[StreamOpen] = []

    async def open(self, node: str, request: StreamOpen) -> Stream:
        self.opened.append(request)

        async def to_agent(message: Message) -> None:
            await agent_end.deliver(message)

        async def to_master(message: Message) -> None:
            await master_end.deliver(message)

        master_end, agent_end = Stream(to_agent), Stream(to_master)
        self._tasks.create_task(self._node(request, agent_end))
        return master_end


@asynccontextmanager
async def server(node: Node) -> AsyncIterator[tuple[str, int, LoopbackNodes]]:
    async with asyncio.TaskGroup() as tasks:
        nodes = LoopbackNodes(tasks, node)
        streaming = PodStreaming(nodes)

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await streaming.handle(request, POD, request.match_info["what"])
            except StatusError as error:
                return error_response(error)

        app = web.Application()
        app.router.add_route("*", "/{what}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        address = runner.addresses[0]
        try:
            yield address[0], address[1], nodes
        finally:
            await runner.cleanup()


async def shouting_command(request: StreamOpen, stream: Stream) -> None:
    """Answers stdin in capitals, then ends with exit code 3."""
    await stream.write(1, b"")
    async for frame in stream.frames():
        if frame.channel == 0 and frame.data:
            await stream.write(1, frame.data.upper())
        if frame.channel == 4:
            await stream.write(2, frame.data)
        if frame.channel == 0 and frame.eof:
            break
    status: dict[str, Any] = {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": "command terminated with non-zero exit code: exit status 3",
        "details": {"causes": [{"reason": "ExitCode", "message": "3"}]},
    }
    await stream.write(3, json.dumps(status).encode())
    await stream.close()


class SpdyClient:
    """The client's end of a SPDY session on a raw socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._encoder, self._decoder = Encoder(), Decoder()
        self._pending: list[Frame] = []

    @classmethod
    async def upgrade(cls, host: str, port: int, path: str, version: str) -> "SpdyClient":
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
            f"X-Stream-Protocol-Version: {version}\r\nContent-Length: 0\r\n\r\n".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith("HTTP/1.1 101"), head
        assert f"X-Stream-Protocol-Version: {version}" in head
        return cls(reader, writer)

    def send(self, frame: Frame) -> None:
        self._writer.write(self._encoder.encode(frame))

    async def next(self) -> Frame | None:
        while not self._pending:
            data = await self._reader.read(65536)
            if not data:
                return None
            self._pending += self._decoder.feed(data)
        return self._pending.pop(0)

    async def until_end(self) -> list[Frame]:
        frames = []
        while (frame := await self.next()) is not None:
            frames.append(frame)
        return frames

    def close(self) -> None:
        self._writer.close()


def of_stream(frames: list[Frame], stream: int) -> bytes:
    return b"".join(frame.data for frame in frames if isinstance(frame, Data) and frame.stream == stream)


async def test_exec_over_spdy_carries_every_stream_and_the_exit_code() -> None:
    async with server(shouting_command) as (host, port, nodes):
        path = "/exec?command=sh&command=-c&stdin=true&stdout=true&stderr=true&container=c"
        client = await SpdyClient.upgrade(host, port, path, "v4.channel.k8s.io")
        for number, name in ((1, "error"), (3, "stdin"), (5, "stdout"), (7, "stderr")):
            client.send(SynStream(number, {"streamtype": name}))
        client.send(Ping(1))
        client.send(Data(3, b"hello "))
        client.send(Data(3, b"world", fin=True))
        frames = await client.until_end()
        assert [frame.stream for frame in frames if isinstance(frame, SynReply)] == [1, 3, 5, 7]
        assert Ping(1) in frames
        assert of_stream(frames, 5) == b"HELLO WORLD"
        assert json.loads(of_stream(frames, 1))["details"]["causes"][0]["message"] == "3"
        assert nodes.opened[0].options["command"] == ["sh", "-c"]
        assert nodes.opened[0].container == "c"
        client.close()


async def test_exec_over_websocket_carries_every_channel_and_closes_stdin() -> None:
    async with server(shouting_command) as (host, port, _), ClientSession() as session:
        url = f"http://{host}:{port}/exec?command=sh&stdin=true&stdout=true&tty=true"
        async with session.ws_connect(url, protocols=("v5.channel.k8s.io",)) as socket:
            assert socket.protocol == "v5.channel.k8s.io"
            await socket.send_bytes(b"\x04" + b'{"Width":80,"Height":24}')
            await socket.send_bytes(b"\x00typed")
            await socket.send_bytes(b"\xff\x00")
            received: dict[int, bytes] = {}
            async for message in socket:
                assert message.type is WSMsgType.BINARY
                received[message.data[0]] = received.get(message.data[0], b"") + message.data[1:]
        assert received[1] == b"TYPED"
        assert json.loads(received[2]) == {"Width": 80, "Height": 24}
        assert json.loads(received[3])["reason"] == "NonZeroExitCode"


async def test_a_client_that_goes_away_closes_the_stream_into_the_node() -> None:
    closed = asyncio.Event()

    async def endless(request: StreamOpen, stream: Stream) -> None:
        await stream.write(1, b"")
        try:
            while True:
                await stream.write(1, b"x" * 1000)
                await asyncio.sleep(0.001)
        except StreamBroken:
            closed.set()

    async with server(endless) as (host, port, _):
        client = await SpdyClient.upgrade(host, port, "/exec?command=yes&stdout=true", "v4.channel.k8s.io")
        client.send(SynStream(1, {"streamtype": "error"}))
        client.send(SynStream(3, {"streamtype": "stdout"}))
        await client.next()
        client.close()
        async with asyncio.timeout(5):
            await closed.wait()


async def test_port_forward_over_spdy_carries_several_connections() -> None:
    async def echo(request: StreamOpen, stream: Stream) -> None:
        if request.options["port"] != 80:
            await stream.close("connection refused", 502)
            return
        async for frame in stream.frames():
            if frame.data:
                await stream.write(0, frame.data[::-1])
            if frame.eof:
                break
        await stream.close()

    async with server(echo) as (host, port, _):
        client = await SpdyClient.upgrade(host, port, "/portforward", "portforward.k8s.io")
        for first, (request, target) in zip((1, 5, 9), (("0", "80"), ("1", "80"), ("2", "81")), strict=True):
            headers = {"port": target, "requestid": request}
            client.send(SynStream(first, {**headers, "streamtype": "error"}, fin=True))
            client.send(SynStream(first + 2, {**headers, "streamtype": "data"}))
            client.send(Data(first + 2, f"abc{request}".encode(), fin=True))
        received: list[Frame] = []
        async with asyncio.timeout(5):
            while sum(isinstance(frame, Data) and frame.fin for frame in received) < 6:
                frame = await client.next()
                assert frame is not None
                received.append(frame)
        assert of_stream(received, 3) == b"0cba"
        assert of_stream(received, 7) == b"1cba"
        assert b"connection refused" in of_stream(received, 9)
        client.close()


async def test_an_unknown_protocol_is_refused_before_the_upgrade() -> None:
    async with server(shouting_command) as (host, port, nodes):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(
            b"POST /exec?command=sh&stdout=true HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
            b"X-Stream-Protocol-Version: v9.channel.k8s.io\r\nContent-Length: 0\r\n\r\n"
        )
        assert not (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 101")
        assert nodes.opened == []
        writer.close()


@pytest.mark.parametrize("protocol", ["v4.channel.k8s.io", "channel.k8s.io", None])
async def test_exec_over_older_websocket_protocols_ends_as_each_prescribes(protocol: str | None) -> None:
    async def failing(request: StreamOpen, stream: Stream) -> None:
        with suppress(StreamBroken):  # the test leaves before the command ends
            await shouting_command(request, stream)

    async with server(failing) as (host, port, _), ClientSession() as session:
        url = f"http://{host}:{port}/exec?command=sh&stdin=1&stdout=1&stderr=1"
        async with session.ws_connect(url, protocols=(protocol,) if protocol else ()) as socket:
            assert socket.protocol == protocol
            first = await socket.receive()
            assert first.data == b"\x01", "an empty message tells that the command runs"
            await socket.send_bytes(b"\x00typed")
            assert (await socket.receive()).data == b"\x01TYPED"
            await socket.send_bytes(b"\x04{}")
            assert (await socket.receive()).data == b"\x02{}"


async def test_the_error_channel_holds_a_status_since_version_4_and_a_text_before() -> None:
    async def ends(request: StreamOpen, stream: Stream) -> None:
        await stream.write(1, b"")
        code = request.options["command"][0]
        status = {"status": "Success"} if code == "0" else {"status": "Failure", "message": f"exit status {code}"}
        await stream.write(3, json.dumps(status).encode())

    async with server(ends) as (host, port, _), ClientSession() as session:

        async def said(protocol: str, code: str) -> list[Any]:
            async with session.ws_connect(
                f"http://{host}:{port}/exec?command={code}&stdout=1", protocols=(protocol,)
            ) as socket:
                return [message.data async for message in socket]

        assert await said("channel.k8s.io", "0") == [b"\x01"]
        assert await said("channel.k8s.io", "4") == [b"\x01", b"\x03exit status 4"]
        assert await said("v4.channel.k8s.io", "0") == [b"\x01", b'\x03{"status": "Success"}']
        told = await said("v4.base64.channel.k8s.io", "0")
        assert [(text[0], base64.b64decode(text[1:])) for text in told] == [("1", b""), ("3", b'{"status": "Success"}')]


async def test_what_a_node_refuses_is_told_where_each_client_looks_for_it() -> None:
    async def refusing(request: StreamOpen, stream: Stream) -> None:
        await stream.close('container not found ("c")', 500)

    async with server(refusing) as (host, port, _), ClientSession() as session:
        url = f"http://{host}:{port}/exec?command=sh&stdout=1"
        with pytest.raises(WSServerHandshakeError) as refused:
            await session.ws_connect(url, protocols=("v4.channel.k8s.io",))
        assert refused.value.status == 500
        async with session.ws_connect(url, protocols=("v5.channel.k8s.io", "v4.channel.k8s.io")) as socket:
            [message] = [message.data async for message in socket]
        assert message[0] == 3
        status = json.loads(message[1:])
        assert status["message"] == 'Internal error occurred: unable to upgrade connection: container not found ("c")'
        headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io"}
        async with session.post(url, headers=headers) as answer:
            assert (answer.status, await answer.text()) == (500, 'container not found ("c")')


async def test_port_forward_over_websocket_channels_carries_each_port_on_a_pair() -> None:
    async def echo(request: StreamOpen, stream: Stream) -> None:
        if request.options["port"] == 81:
            await stream.close("connection refused", 500)
            return
        async for frame in stream.frames():
            await stream.write(0, frame.data[::-1])
            break
        await stream.close()

    async with server(echo) as (host, port, _), ClientSession() as session:
        url = f"http://{host}:{port}/portforward?ports=8080,81"
        async with session.ws_connect(url, protocols=("v4.channel.k8s.io",)) as socket:
            await socket.send_bytes(b"\x00abc")
            received: dict[int, bytes] = {}
            async for message in socket:
                received[message.data[0]] = received.get(message.data[0], b"") + message.data[1:]
        assert received[0] == (8080).to_bytes(2, "little") + b"cba"
        assert received[1] == (8080).to_bytes(2, "little")
        assert received[2] == (81).to_bytes(2, "little")
        assert received[3].endswith(b"error forwarding port 81 to pod: connection refused")
        for bad in ("", "?ports=", "?ports=0", "?ports=65536", "?ports=x"):
            with pytest.raises(WSServerHandshakeError) as refused:
                await session.ws_connect(f"http://{host}:{port}/portforward{bad}", protocols=("v4.channel.k8s.io",))
            assert refused.value.status == 400


async def test_a_connection_that_carries_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(request: StreamOpen, stream: Stream) -> None:
        await stream.write(1, b"")
        async for _ in stream.frames():
            pass

    monkeypatch.setattr("master.api.streaming.handler.closed_when_idle", partial(closed_when_idle, 0.2))
    async with server(silent) as (host, port, _), ClientSession() as session:
        url = f"http://{host}:{port}/exec?command=sh&stdin=1&stdout=1"
        async with session.ws_connect(url, protocols=("v5.channel.k8s.io",)) as socket, asyncio.timeout(5):
            for _ in range(4):
                await asyncio.sleep(0.1)
                await socket.send_bytes(b"\x00x")
            assert not socket.closed
            messages = [message async for message in socket]
        assert [message.data for message in messages] == [b"\x01"]
