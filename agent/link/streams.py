"""Streams into pods over one session: logs, exec, attach, port-forward. What they do is the handler's (the kubelet's).

Made anew for each session by `agent.link.link`; when the session ends all its streams are aborted and their handlers have
`GRACE_SECONDS` to end before they are cancelled. A handler that fails ends its own stream only.

Everything on a stream topic must carry the master's signature: a broker that is taken over could otherwise run commands. A
StreamOpen is good once and for this run of the agent, whose random name it bears: a recorded one opens nothing, ever.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from agent.link.rejections import Rejections
from proto.delivery import Delivery
from proto.envelope import Envelope, MalformedMessage
from proto.messages import Message, StreamClose, StreamOpen, decode, encode
from proto.mqtt_session import Session, SessionLost
from proto.signing import Forged, Verifier
from proto.stream import Stream, StreamBroken
from proto.topics import Topics

_LOG = logging.getLogger(__name__)

#: Streams that may be open at once on a node.
MAX_STREAMS = 128
#: Ids that are remembered against a second use.
MAX_REMEMBERED = 8192
#: Seconds that handlers have to end after the session is lost.
GRACE_SECONDS = 5.0

StreamHandler = Callable[[StreamOpen, Stream], Awaitable[None]]


class StreamIds:
    """Ids that were used, over all sessions of this run; of those beyond a bound the highest number is remembered."""

    def __init__(self) -> None:
        #: The name of this run.
        self.run = secrets.token_hex(16)
        self._used: dict[str, int] = {}
        self._forgotten = -1

    def use(self, request: StreamOpen) -> bool:
        """Whether a stream may be opened: meant for this run, and for the first time."""
        if request.run != self.run or request.id in self._used or request.number <= self._forgotten:
            return False
        self._used[request.id] = request.number
        if len(self._used) > MAX_REMEMBERED:
            self._forgotten = max(self._forgotten, self._used.pop(next(iter(self._used))))
        return True


class Streams:
    """The open streams of one session: an async context manager that owns the handlers' tasks."""

    def __init__(
        self,
        session: Session,
        *,
        topics: Topics,
        node: str,
        verifier: Verifier,
        handler: StreamHandler,
        ids: StreamIds,
        rejections: Rejections,
    ) -> None:
        self._session = session
        self._topics = topics
        self._node = node
        self._verifier = verifier
        self._handler = handler
        self._ids = ids
        self._rejections = rejections
        self._prefix = topics.stream_down(node, "x")[:-1]
        self._open: dict[str, Stream] = {}
        self._tasks = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            for stream in list(self._open.values()):
                await stream.abort("the node's session with the broker was lost")
            if self._running:
                await asyncio.wait(self._running, timeout=GRACE_SECONDS)
        finally:
            for task in self._running:
                task.cancel()
            await self._tasks.__aexit__(None, None, None)

    def __len__(self) -> int:
        return len(self._open)

    def owns(self, topic: str) -> bool:
        return topic.startswith(self._prefix)

    async def deliver(self, delivery: Delivery) -> None:
        """Take in a message on a stream topic. Raises SessionLost only."""
        stream_id = delivery.topic.removeprefix(self._prefix)
        try:
            envelope = Envelope.unpack(delivery.payload)
            self._verifier.verify(envelope, delivery.topic)
            message = decode(envelope)
            if isinstance(message, StreamOpen):
                await self._start(stream_id, message)
            elif (stream := self._open.get(stream_id)) is not None:
                await stream.deliver(message)
            elif not isinstance(message, StreamClose):
                self._rejections.note("stale", delivery.topic, "no such stream")
        except Forged as error:
            self._rejections.note("forged", delivery.topic, error)
        except MalformedMessage as error:
            self._rejections.note("malformed", delivery.topic, error)
        except StreamBroken:
            self._open.pop(stream_id, None)

    async def _start(self, stream_id: str, request: StreamOpen) -> None:
        if request.id != stream_id:
            raise MalformedMessage("the stream's id is not its topic's")
        if not self._ids.use(request):
            self._rejections.note("stale", stream_id, "the stream was opened before, or meant for another run of the agent")
            return
        stream = Stream(self._sender(stream_id), credit=request.credit)
        if len(self._open) >= MAX_STREAMS:
            await stream.close(f"the node serves {MAX_STREAMS} streams already", 429)
            return
        self._open[stream_id] = stream
        task = self._tasks.create_task(self._serve(stream_id, request, stream), name=f"stream {request.kind} {stream_id}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _serve(self, stream_id: str, request: StreamOpen, stream: Stream) -> None:
        error, code = "", 0
        try:
            await self._handler(request, stream)
        except StreamBroken as broken:
            error, code = str(broken), broken.code
        except Exception:  # noqa: BLE001 - one stream's bug ends that stream alone
            _LOG.exception("a stream's handler failed", extra={"stream": stream_id, "kind": request.kind, "pod": request.pod})
            error, code = "internal error on the node", 500
        finally:
            self._open.pop(stream_id, None)
        try:
            await stream.close(error, code)
        except StreamBroken:
            _LOG.debug("the session ended before the stream's close was sent", extra={"stream": stream_id})

    def _sender(self, stream_id: str) -> Callable[[Message], Awaitable[None]]:
        topic = self._topics.stream_up(self._node, stream_id)

        async def send(message: Message) -> None:
            try:
                # Frames are counted, so the cheap way is enough; a close must arrive.
                await self._session.publish(topic, encode(message).pack(), assured=isinstance(message, StreamClose))
            except SessionLost as error:
                raise StreamBroken("the node's session with the broker was lost", 503) from error

        return send
