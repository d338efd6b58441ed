"""port-forward over numbered WebSocket channels, as client libraries speak it (the official Python and JavaScript ones).

Each port of the query has two channels: 2·i carries its one connection, 2·i+1 its error. Both begin with the port's number as
two bytes, little-endian. Source: k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go.
"""

import asyncio
from collections.abc import Callable, Sequence

from aiohttp import web

from master.api.streaming.channels import ChannelSocket
from master.api.streaming.port_forward import OpenPort
from master.client.errors import StatusError, bad_request
from proto.stream import Stream, StreamBroken

PROTOCOLS = ("v4.channel.k8s.io", "v4.base64.channel.k8s.io", "")
#: A channel's number is one byte.
_MAX_PORTS = 64


def ports_of(values: Sequence[str]) -> list[int]:
    """The query's `ports`. Raises StatusError 400."""
    texts = [text for value in values for text in value.split(",")]
    if not texts:
        raise bad_request('query parameter "port" is required')
    if len(texts) > _MAX_PORTS:
        raise bad_request(f"at most {_MAX_PORTS} ports can be forwarded over one connection")
    ports = []
    for text in texts:
        if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 65536):
            raise bad_request(f'cannot convert to []int32: strconv.ParseUint: parsing "{text[:64]}": invalid syntax')
        if not int(text):
            raise bad_request(f'port "{text}" must be > 0')
        ports.append(int(text))
    return ports


async def serve(
    socket: web.WebSocketResponse, ports: Sequence[int], open_port: OpenPort, *, active: Callable[[], None]
) -> None:
    """Until every port's connection has ended or the client goes away. Raises StatusError when a node is out of reach."""
    channels = ChannelSocket(socket)
    opened: dict[int, Stream] = {}
    try:
        async with asyncio.TaskGroup() as tasks:
            reader: asyncio.Task[None] | None = None
            forwards = []
            for index, port in enumerate(ports):
                for channel in (2 * index, 2 * index + 1):
                    await channels.send(channel, port.to_bytes(2, "little"))
                try:
                    opened[2 * index] = await open_port(port)
                except StatusError as error:
                    await channels.send(2 * index + 1, error.message.encode())
                    continue
                forwards.append(tasks.create_task(_to_client(channels, 2 * index, port, opened[2 * index], active)))
            if forwards:
                reader = tasks.create_task(_from_client(channels, opened, active))
                pending: set[asyncio.Task[None]] = {*forwards}
                while pending and not reader.done():
                    await asyncio.wait({*pending, reader}, return_when=asyncio.FIRST_COMPLETED)
                    pending = {task for task in pending if not task.done()}
                for task in (*pending, reader):
                    task.cancel()
    except* ConnectionResetError:
        pass  # the client went away
    finally:
        for stream in opened.values():
            await stream.close()
        await channels.close()


async def _to_client(channels: ChannelSocket, channel: int, port: int, stream: Stream, active: Callable[[], None]) -> None:
    try:
        async for frame in stream.frames():
            active()
            if frame.data:
                await channels.send(channel, frame.data)
    except StreamBroken as error:
        await channels.send(channel + 1, f"error forwarding port {port} to pod: {error}".encode())


async def _from_client(channels: ChannelSocket, opened: dict[int, Stream], active: Callable[[], None]) -> None:
    while (received := await channels.receive()) is not None:
        active()
        channel, data, _ = received
        stream = opened.get(channel)
        if stream is not None and data:
            try:
                await stream.write(0, data)
            except StreamBroken:
                opened.pop(channel)
