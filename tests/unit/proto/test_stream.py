"""Streams: bytes arrive whole and in order, within the window; what breaks is seen on both ends."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proto.messages import Leader, Message, StreamClose, StreamCredit, StreamFrame
from proto.stream import FRAME_BYTES, WINDOW_BYTES, Stream, StreamBroken


class Wire:
    """Two ends; what one sends is delivered to the other in order, some of it twice."""

    def __init__(self, twice: Callable[[], bool] = lambda: False) -> None:
        self.sent: list[Message] = []
        self._twice = twice
        self.left = Stream(self._to(lambda: self.right))
        self.right = Stream(self._to(lambda: self.left))

    def _to(self, end: Callable[[], Stream]) -> Callable[[Message], Awaitable[None]]:
        async def send(message: Message) -> None:
            self.sent.append(message)
            await asyncio.sleep(0)
            await end().deliver(message)
            if isinstance(message, StreamFrame) and self._twice():
                await end().deliver(message)

        return send


async def read_all(stream: Stream) -> bytes:
    return b"".join([frame.data async for frame in stream.frames()])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.binary(max_size=3 * FRAME_BYTES), max_size=6), st.randoms())
def test_bytes_arrive_whole_and_in_order_whatever_is_repeated(pieces: list[bytes], random: "object") -> None:
    async def scenario() -> bytes:
        wire = Wire(twice=lambda: bool(random.getrandbits(1)))  # type: ignore[attr-defined]
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(read_all(wire.right))
            for piece in pieces:
                await wire.left.write(1, piece)
            await wire.left.close()
        return reading.result()

    assert asyncio.run(scenario()) == b"".join(pieces)


async def test_more_than_a_window_passes_and_credit_comes_in_lumps() -> None:
    wire = Wire()
    data = bytes(range(256)) * (5 * WINDOW_BYTES // 256)
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read_all(wire.right))
        await wire.left.write(1, data)
        await wire.left.close()
    assert reading.result() == data
    assert all(len(message.data) <= FRAME_BYTES for message in wire.sent if isinstance(message, StreamFrame))


async def test_a_writer_waits_when_nobody_reads_and_goes_on_when_somebody_does() -> None:
    wire = Wire()
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(wire.left.write(1, b"x" * (2 * WINDOW_BYTES)))
        await asyncio.sleep(0.05)
        assert not writing.done()
        frames = sum(1 for message in wire.sent if isinstance(message, StreamFrame))
        assert frames * FRAME_BYTES == WINDOW_BYTES
        got = 0
        while got < 2 * WINDOW_BYTES:
            frame = await wire.right.read()
            assert frame is not None
            got += len(frame.data)
    assert any(isinstance(message, StreamCredit) for message in wire.sent)
    assert sum(1 for message in wire.sent if isinstance(message, StreamCredit)) < 2 * WINDOW_BYTES // FRAME_BYTES


async def test_a_flood_of_empty_frames_is_bounded() -> None:
    wire = Wire()

    async def flood() -> None:
        while True:
            await wire.left.write(1, b"")

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(flood(), 0.5)
    assert len(wire.sent) <= 1024


async def test_a_small_first_credit_is_no_dead_end() -> None:
    ends: list[Stream] = []

    async def to_reader(message: Message) -> None:
        await ends[1].deliver(message)

    async def to_writer(message: Message) -> None:
        await ends[0].deliver(message)

    ends += [Stream(to_reader, credit=1), Stream(to_writer)]
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read_all(ends[1]))
        await ends[0].write(1, b"y" * 200_000)
        await ends[0].close()
    assert reading.result() == b"y" * 200_000


async def test_a_gap_breaks_the_stream_on_both_ends() -> None:
    wire = Wire()
    await wire.right.deliver(StreamFrame(sequence=1, channel=1, data=b"late"))
    with pytest.raises(StreamBroken, match="lost"):
        await wire.right.read()
    with pytest.raises(StreamBroken, match="lost"):
        await wire.left.write(1, b"more")


async def test_a_send_that_was_cancelled_shows_as_a_gap_not_as_a_repeat() -> None:
    delivered: list[Message] = []
    stuck = True

    async def send(message: Message) -> None:
        if stuck:
            await asyncio.Event().wait()
        delivered.append(message)

    stream = Stream(send)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await stream.write(1, b"first")
    stuck = False
    await stream.write(1, b"second")
    assert delivered == [StreamFrame(sequence=1, channel=1, data=b"second")]


async def test_frames_beyond_the_window_and_oversized_frames_break_the_stream() -> None:
    for frames in ([b"z" * (FRAME_BYTES + 1)], [b"z" * FRAME_BYTES] * (WINDOW_BYTES // FRAME_BYTES + 1)):
        wire = Wire()
        for sequence, data in enumerate(frames):
            await wire.right.deliver(StreamFrame(sequence=sequence, channel=1, data=data))
        assert wire.right.closed
        assert any(isinstance(message, StreamClose) and message.error for message in wire.sent)


async def test_a_foreign_message_closes_with_an_error() -> None:
    wire = Wire()
    await wire.right.deliver(Leader(identity="x"))
    with pytest.raises(StreamBroken) as caught:
        await wire.left.read()
    assert caught.value.code == 400


async def test_what_came_before_a_close_is_still_read_then_the_error_is_told() -> None:
    wire = Wire()
    await wire.left.write(1, b"last words")
    await wire.left.close("it broke", 410)
    frame = await wire.right.read()
    assert frame is not None
    assert frame.data == b"last words"
    with pytest.raises(StreamBroken, match="it broke") as caught:
        await wire.right.read()
    assert caught.value.code == 410


async def test_abort_wakes_a_waiting_reader_and_writer_and_tells_nobody() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    stream = Stream(send, credit=0)
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(_error_of(stream.read()))
        writing = tasks.create_task(_error_of(stream.write(1, b"x")))
        await asyncio.sleep(0)
        await stream.abort("gone")
    assert reading.result().code == writing.result().code == 503
    assert sent == []


async def test_close_is_told_once() -> None:
    wire = Wire()
    await wire.left.close()
    await wire.left.close("again", 500)
    await wire.right.close()
    assert wire.sent == [StreamClose()]
    assert await wire.right.read() is None


async def _error_of(waiting: Awaitable[object]) -> StreamBroken:
    with pytest.raises(StreamBroken) as caught:
        await waiting
    return caught.value
