import asyncio

import pytest

from master.client.errors import StatusError
from master.fleet.liveness import Liveness
from master.fleet.streams import FleetStreams
from proto.messages import Message, StreamClose, StreamFrame, StreamOpen
from proto.mqtt_session import SessionLost
from proto.stream import StreamBroken
from proto.topics import Topics

_TOPICS = Topics("c")


class _Wire:
    """Records what is sent; `broken` as a lost session."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Message]] = []
        self.broken = False

    async def send(self, topic: str, message: Message, assured: bool) -> None:
        if self.broken:
            raise SessionLost("gone")
        self.sent.append((topic, message))


@pytest.fixture
def wire() -> _Wire:
    return _Wire()


@pytest.fixture
def liveness() -> Liveness:
    liveness = Liveness()
    liveness.heard("n1")
    return liveness


@pytest.fixture
def streams(wire: _Wire, liveness: Liveness) -> FleetStreams:
    made = FleetStreams(_TOPICS, liveness, wire.send)
    made.greeted("n1", "run-1")
    return made


def _opened(wire: _Wire) -> StreamOpen:
    message = wire.sent[0][1]
    assert isinstance(message, StreamOpen)
    return message


async def test_frames_go_both_ways(streams: FleetStreams, wire: _Wire) -> None:
    stream = await streams.open("n1", StreamOpen(id="chosen", kind="exec"))
    request = _opened(wire)
    assert wire.sent[0][0] == _TOPICS.stream_down("n1", request.id)
    assert request.id != "chosen"
    await stream.write(0, b"in")
    assert wire.sent[1] == (wire.sent[0][0], StreamFrame(sequence=0, channel=0, data=b"in"))
    await streams.deliver("n1", request.id, StreamFrame(sequence=0, channel=1, data=b"out"))
    await streams.deliver("n1", request.id, StreamClose())
    assert [frame.data async for frame in stream.frames()] == [b"out"]


@pytest.mark.parametrize("node", ["silent", "left"])
async def test_a_node_out_of_reach_is_503(streams: FleetStreams, liveness: Liveness, node: str) -> None:
    if node == "left":
        liveness.heard("left")
        liveness.left("left", orderly=False)
    with pytest.raises(StatusError) as caught:
        await streams.open(node, StreamOpen(id="", kind="logs"))
    assert caught.value.code == 503


async def test_streams_end_when_their_agent_is_started_anew(streams: FleetStreams, liveness: Liveness, wire: _Wire) -> None:
    liveness.heard("n2")
    streams.greeted("n2", "other")
    lost, kept = [await streams.open(node, StreamOpen(id="", kind="exec")) for node in ("n1", "n2")]
    async with asyncio.TaskGroup() as group:
        running = group.create_task(streams.run())
        await asyncio.sleep(0)
        streams.greeted("n1", "run-1")
        streams.greeted("n1", "run-2")
        async with asyncio.timeout(1):
            with pytest.raises(StreamBroken, match="started anew"):
                await anext(lost.frames())
        assert not kept.closed
        running.cancel()


async def test_a_lost_session_is_503_and_breaks_open_streams(streams: FleetStreams, wire: _Wire) -> None:
    stream = await streams.open("n1", StreamOpen(id="", kind="exec"))
    wire.broken = True
    with pytest.raises(StreamBroken):
        await stream.write(0, b"in")
    with pytest.raises(StatusError) as caught:
        await streams.open("n1", StreamOpen(id="", kind="logs"))
    assert caught.value.code == 503


async def test_the_end_of_the_session_ends_all_streams(streams: FleetStreams) -> None:
    stream = await streams.open("n1", StreamOpen(id="", kind="logs"))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(streams.run())
        await asyncio.sleep(0)
        running.cancel()
    with pytest.raises(StreamBroken):
        await stream.read()


async def test_another_nodes_frames_reach_no_stream(streams: FleetStreams, wire: _Wire) -> None:
    stream = await streams.open("n1", StreamOpen(id="", kind="logs"))
    request = _opened(wire)
    await streams.deliver("n2", request.id, StreamFrame(sequence=0, channel=1, data=b"forged"))
    await streams.deliver("n1", request.id, StreamClose())
    assert await stream.read() is None


async def test_an_unknown_stream_is_told_to_stop(streams: FleetStreams, wire: _Wire) -> None:
    await streams.deliver("n1", "old", StreamFrame(sequence=7, channel=1, data=b"x"))
    assert wire.sent == [(_TOPICS.stream_down("n1", "old"), StreamClose(error="no such stream", code=404))]
