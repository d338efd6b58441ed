"""The server's end of a SPDY/3.1 session: the client opens streams, both sides write on them.

One reader task (`run`) feeds bounded stream buffers: a stream that nobody reads holds back the whole connection, as in
Kubernetes' own library, instead of filling memory.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping

from master.api.streaming.connection import ByteConnection
from master.api.streaming.spdy_frames import (
    Data,
    Decoder,
    Encoder,
    Frame,
    GoAway,
    Ping,
    ProtocolError,
    RstStream,
    SynReply,
    SynStream,
)

log = logging.getLogger(__name__)

#: Data frames that wait in one stream for its reader.
_STREAM_BACKLOG = 16
#: Streams that one session may hold at once: kubectl port-forward opens two for each connection.
_MAX_STREAMS = 1024
_CANCEL = 5
_REFUSED = 3


class SpdyStream:
    """One stream that the client opened. Reading ends with b"" at its FIN, its reset or the session's end."""

    def __init__(self, session: "SpdySession", id: int, headers: Mapping[str, str]) -> None:  # noqa: A002 - the field's name
        self.id = id
        self.headers = headers
        self._session = session
        self._received: asyncio.Queue[bytes] = asyncio.Queue(_STREAM_BACKLOG)
        self._finished = False
        self._ended = False

    async def read(self) -> bytes:
        if self._ended and self._received.empty():
            return b""
        data = await self._received.get()
        if not data:
            self._ended = True
        return data

    async def write(self, data: bytes) -> None:
        """Raises ConnectionResetError when the session or this stream is gone."""
        if self._finished:
            raise ConnectionResetError("the stream is closed")
        await self._session.send(Data(self.id, data))

    async def finish(self) -> None:
        """Say that we write no more (FIN). Idempotent."""
        if not self._finished:
            self._finished = True
            await self._session.send(Data(self.id, b"", fin=True))

    async def reset(self) -> None:
        self._finished = True
        self._session.forget(self)
        await self._session.send(RstStream(self.id, _CANCEL))

    async def deliver(self, data: bytes, *, fin: bool) -> None:
        if data:
            await self._received.put(data)
        if fin:
            await self._received.put(b"")

    def cut(self) -> None:
        """The session ended: wake the reader whatever its backlog."""
        self._ended = True
        self._finished = True
        if self._received.empty():
            self._received.put_nowait(b"")


class SpdySession:
    """Accepts streams; run `run` in a task beside the code that uses it. `active` is called for every frame."""

    def __init__(self, connection: ByteConnection, active: Callable[[], None]) -> None:
        self._connection = connection
        self._active = active
        self._decoder = Decoder()
        self._encoder = Encoder()
        self._writing = asyncio.Lock()
        self._streams: dict[int, SpdyStream] = {}
        self._accepted: asyncio.Queue[SpdyStream | None] = asyncio.Queue(_MAX_STREAMS + 1)

    async def run(self) -> None:
        """Read frames until the client goes away or breaks the protocol."""
        try:
            while data := await self._connection.read():
                for frame in self._decoder.feed(data):
                    if not await self._take(frame):
                        return
        except ProtocolError as error:
            log.info("a SPDY client broke the protocol", extra={"error": str(error)})
        except ConnectionResetError:
            pass  # the client went away in the middle of an answer
        finally:
            for stream in self._streams.values():
                stream.cut()
            if not self._accepted.full():
                self._accepted.put_nowait(None)

    async def streams(self) -> AsyncIterator[SpdyStream]:
        """Streams as the client opens them; ends with the session."""
        while (stream := await self._accepted.get()) is not None:
            yield stream

    async def send(self, frame: Frame) -> None:
        """Frames leave in the order of their encoding, which header compression needs."""
        self._active()
        async with self._writing:
            await self._connection.write(self._encoder.encode(frame))

    def forget(self, stream: SpdyStream) -> None:
        self._streams.pop(stream.id, None)

    async def _take(self, frame: Frame) -> bool:
        self._active()
        match frame:
            case SynStream(id, headers, fin):
                if id in self._streams or not id % 2:
                    raise ProtocolError(f"stream id {id} is not the client's to open")
                if len(self._streams) >= _MAX_STREAMS:
                    await self.send(RstStream(id, _REFUSED))
                    return True
                stream = SpdyStream(self, id, headers)
                self._streams[id] = stream
                await self.send(SynReply(id, {}))
                self._accepted.put_nowait(stream)
                if fin:
                    await stream.deliver(b"", fin=True)
            case Data(id, data, fin):
                target = self._streams.get(id)
                if target is not None:
                    await target.deliver(data, fin=fin)
            case RstStream(id, _):
                target = self._streams.pop(id, None)
                if target is not None:
                    target.cut()
            case Ping(id):
                if id % 2:
                    await self.send(frame)
            case GoAway():
                return False
        return True
