"""A two-way byte stream over two MQTT topics, with flow control; the same on both ends.

Pure bookkeeping over a `send` function: MQTT belongs to `master.fleet` and `agent.link`, which feed `deliver`.

    StreamOpen ──►  frames ◄──►  frames  ──► StreamClose (either side; a broken session closes too)

A writer spends credit (bytes) and waits when there is none; a reader grants as much again as it consumed. So one slow
`kubectl logs` holds no more than its window anywhere, and heartbeats pass between the frames.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from proto.messages import Message, StreamClose, StreamCredit, StreamFrame

#: Largest data of one frame in bytes: small enough that a heartbeat never waits long behind one.
FRAME_BYTES = 32 * 1024
#: Credit that each side starts with, in bytes.
WINDOW_BYTES = 1 << 20
#: What a small frame costs, so that a window holds at most 1,024 frames: brokers bound a queue by messages, not bytes.
_MINIMUM_COST = 1024
#: A reader grants when it has consumed this much or has nothing left to read: not one credit message per frame.
_GRANT_BYTES = WINDOW_BYTES // 4


class StreamBroken(Exception):
    """The stream ended before its end: the other side went away, sent out of order, or closed with an error.

    `code` is an HTTP status code that fits.
    """

    def __init__(self, message: str, code: int = 500) -> None:
        super().__init__(message)
        self.code = code


class Stream:
    """One end of a stream. `send` publishes a message to the other end."""

    def __init__(self, send: Callable[[Message], Awaitable[None]], credit: int = WINDOW_BYTES) -> None:
        self._send = send
        self._credit = credit
        self._window = WINDOW_BYTES
        self._ungranted = 0
        self._sent = 0
        self._expected = 0
        self._received: deque[StreamFrame] = deque()
        self._changed = asyncio.Condition()
        self._closed: StreamClose | None = None
        self._sending = asyncio.Lock()

    @property
    def closed(self) -> bool:
        return self._closed is not None

    async def write(self, channel: int, data: bytes, *, eof: bool = False) -> None:
        """Send bytes on a channel, waiting for credit. Raises StreamBroken when the stream is closed."""
        view = memoryview(data)
        async with self._sending:
            while True:
                piece, view = bytes(view[:FRAME_BYTES]), view[FRAME_BYTES:]
                cost = max(len(piece), _MINIMUM_COST)
                async with self._changed:
                    await self._changed.wait_for(lambda: self._credit > 0 or self._closed is not None)
                    self._raise_if_closed()
                    self._credit -= cost
                sequence = self._sent
                self._sent += 1  # before sending: a send that is cancelled half-way must show as a gap, never as a repeat
                await self._send(StreamFrame(sequence=sequence, channel=channel, data=piece, eof=eof and not view))
                if not view:
                    return

    async def read(self) -> StreamFrame | None:
        """The next frame, or None when the other side closed well. Raises StreamBroken when it did not."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._received) or self._closed is not None)
            if not self._received:
                assert self._closed is not None
                if self._closed.error:
                    raise StreamBroken(self._closed.error, self._closed.code or 500)
                return None
            frame = self._received.popleft()
            cost = max(len(frame.data), _MINIMUM_COST)
            grant = self._consume(cost)
        if grant:
            await self._send(StreamCredit(bytes=grant))
        return frame

    async def frames(self) -> AsyncIterator[StreamFrame]:
        while (frame := await self.read()) is not None:
            yield frame

    async def close(self, error: str = "", code: int = 0) -> None:
        """End the stream and tell the other side. Idempotent."""
        if self._closed is None:
            close = StreamClose(error=error, code=code)
            await self._settle(close)
            await self._send(close)

    async def deliver(self, message: Message) -> None:
        """Take in a message from the other end. Out of order or beyond the window closes the stream with an error."""
        match message:
            case StreamFrame():
                async with self._changed:
                    if self._closed is not None or message.sequence < self._expected:
                        return  # QoS 1 may repeat a frame
                    if message.sequence > self._expected:
                        problem = "a frame was lost"
                    elif self._window <= 0 or len(message.data) > FRAME_BYTES:
                        problem = "the window was exceeded"
                    else:
                        problem = ""
                        self._expected += 1
                        self._window -= max(len(message.data), _MINIMUM_COST)
                        self._received.append(message)
                        self._changed.notify_all()
                if problem:
                    await self.close(problem, 500)
            case StreamCredit():
                async with self._changed:
                    self._credit += message.bytes
                    self._changed.notify_all()
            case StreamClose():
                await self._settle(message)
            case _:
                await self.close(f"{type(message).__name__} does not belong on a stream", 400)

    async def abort(self, error: str) -> None:
        """End this side without telling the other: the session between them is gone."""
        await self._settle(StreamClose(error=error, code=503))

    def _consume(self, cost: int) -> int:
        """Note that a frame was read; the bytes to grant now, or 0. The window grows before the other side may use it."""
        self._ungranted += cost
        if self._closed is not None or (self._received and self._ungranted < _GRANT_BYTES):
            return 0
        grant, self._ungranted = self._ungranted, 0
        self._window += grant
        return grant

    async def _settle(self, close: StreamClose) -> None:
        async with self._changed:
            if self._closed is None:
                self._closed = close
            self._changed.notify_all()

    def _raise_if_closed(self) -> None:
        if self._closed is not None:
            raise StreamBroken(self._closed.error or "the stream is closed", self._closed.code or 500)
