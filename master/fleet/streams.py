"""Streams into pods over MQTT: implements `master.client.streams.NodeStreams`.

Opened by the API for logs, exec, attach and port-forward. A stream lives as long as the session with the broker, as the node
is in reach and as the run of its agent goes on; when one of them ends, the client is told at once instead of waiting for ever.
"""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable

import msgspec

from master.client.errors import StatusError
from master.fleet.liveness import Liveness
from proto.messages import Message, StreamClose, StreamFrame, StreamOpen
from proto.mqtt_session import SessionLost
from proto.stream import Stream, StreamBroken
from proto.topics import Topics

log = logging.getLogger(__name__)

#: Streams that may be open at once, over all nodes.
MAX_STREAMS = 10_000
#: The longest name of a run that an agent may give itself.
_MAX_RUN = 64
#: Frames of one node on streams that are not open that are answered within a second.
_REFUSALS = 20
#: Seconds between two looks at whether the nodes of open streams are in reach.
_WATCH_SECONDS = 2.0

#: Publishes a signed message: topic, message, assured.
Send = Callable[[str, Message, bool], Awaitable[None]]


class FleetStreams:
    """See the module. `send` raises SessionLost."""

    def __init__(self, topics: Topics, liveness: Liveness, send: Send) -> None:
        self._topics = topics
        self._liveness = liveness
        self._send = send
        self._open: dict[tuple[str, str], Stream] = {}
        #: The run of the agent that each open stream is with.
        self._with: dict[tuple[str, str], str] = {}
        self._agent_restarted = asyncio.Event()
        #: What each node called its run last. Forgotten with the master: nodes say it with each heartbeat.
        self._runs: dict[str, str] = {}
        self._number = 0
        #: Of which second, and how many answers each node had in it.
        self._refused: tuple[int, dict[str, int]] = (0, {})

    def greeted(self, node: str, run: str) -> None:
        """A node said which run of its agent speaks."""
        if len(run) <= _MAX_RUN:
            if self._runs.get(node, run) != run:
                self._agent_restarted.set()
            self._runs[node] = run

    async def open(self, node: str, request: StreamOpen) -> Stream:
        """Open a stream to a node. The caller closes it. Raises StatusError 503 when the node is not connected."""
        self._forget_closed()
        if len(self._open) >= MAX_STREAMS:
            raise StatusError(429, "TooManyRequests", f"{MAX_STREAMS} streams are open already")
        run = self._runs.get(node)
        if run is None or not self._liveness.reachable(node):
            raise _unreachable(node)
        # An id is used once: a recorded message of another stream means nothing on this one's topics. Numbers grow also
        # from one master to the next.
        self._number = max(self._number + 1, time.time_ns())
        request = msgspec.structs.replace(request, id=uuid.uuid4().hex, run=run, number=self._number)
        topic = self._topics.stream_down(node, request.id)
        key = (node, request.id)
        stream = Stream(self._sender(topic, key))
        self._open[key], self._with[key] = stream, run
        try:
            await self._send(topic, request, True)
        except SessionLost as error:
            self._close(key)
            raise _unreachable(node) from error
        except BaseException:
            self._close(key)
            raise
        return stream

    async def deliver(self, node: str, stream_id: str, message: Message) -> None:
        """A message that came up on a stream's topic."""
        stream = self._open.get((node, stream_id))
        if stream is not None:
            try:
                await stream.deliver(message)
            except StreamBroken:
                self._close((node, stream_id))
            if isinstance(message, StreamClose):
                self._close((node, stream_id))
        elif isinstance(message, StreamFrame):
            await self._refuse(node, stream_id)

    async def run(self) -> None:
        """Abort streams to nodes that went out of reach or whose agent started anew, until cancelled; then all."""
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_WATCH_SECONDS):
                        await self._agent_restarted.wait()
                self._agent_restarted.clear()
                self._forget_closed()
                for key, stream in list(self._open.items()):
                    if not self._liveness.reachable(key[0]):
                        self._close(key)
                        await stream.abort(f"node {key[0]} is out of reach")
                    elif self._with[key] != self._runs.get(key[0]):
                        self._close(key)
                        await stream.abort(f"the agent of node {key[0]} was started anew")
        finally:
            streams, self._open, self._with = self._open, {}, {}
            for stream in streams.values():
                await stream.abort("the master lost its session with the broker")

    def _forget_closed(self) -> None:
        for key in [key for key, stream in self._open.items() if stream.closed]:
            self._close(key)

    def _close(self, key: tuple[str, str]) -> None:
        self._open.pop(key, None)
        self._with.pop(key, None)

    async def _refuse(self, node: str, stream_id: str) -> None:
        """A node sends on a stream that an earlier run of the master had opened: it should stop.

        Each answer is signed. So a node that floods gets a few, and the others are not kept waiting.
        """
        second = int(time.monotonic())
        if self._refused[0] != second:
            self._refused = (second, {})
        told = self._refused[1]
        if told.get(node, 0) >= _REFUSALS:
            return
        told[node] = told.get(node, 0) + 1
        try:
            topic = self._topics.stream_down(node, stream_id)
            await self._send(topic, StreamClose(error="no such stream", code=404), False)
        except (SessionLost, ValueError) as error:
            log.debug("cannot refuse a stream: %s", error, extra={"node": node})

    def _sender(self, topic: str, key: tuple[str, str]) -> Callable[[Message], Awaitable[None]]:
        async def send(message: Message) -> None:
            try:
                # Frames are counted, so the cheap way is enough; a close must arrive.
                await self._send(topic, message, isinstance(message, StreamClose))
            except SessionLost as error:
                self._close(key)
                raise StreamBroken("the master lost its session with the broker", 503) from error

        return send


def _unreachable(node: str) -> StatusError:
    return StatusError(503, "ServiceUnavailable", f"node {node} is not connected to the master")
