"""Asks nodes what they use, all at once and for a short time, and keeps each answer for a few seconds.

Nothing is asked when nobody wants to know: a node at rest is left alone. Who asks while others do shares their question. A
node that is away is missing; one that does not answer in time shows what it said a little before. Called by
`master.api.metrics.sources`.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from master.client.errors import StatusError
from master.client.streams import NodeStreams
from proto.messages import StreamOpen
from proto.metrics import MAX_BYTES, STREAM_KIND, MalformedMetrics, NodeUsage, decode
from proto.stream import StreamBroken

log = logging.getLogger(__name__)

#: How long an answer is good (kubectl top twice in a row asks once), and how long it stands in for one that did not come.
_GOOD_SECONDS, _STALE_SECONDS = 15.0, 60.0
#: For all nodes together: one with a hundred pods on a busy machine takes two seconds for its first two readings.
_WAIT_SECONDS = 4.0
_AT_ONCE = 64
_FORGET_SECONDS = 600.0


@dataclass(slots=True)
class _Node:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    usage: NodeUsage | None = None
    answered: float = float("-inf")
    wanted: float = 0.0


class NodeUsages:
    def __init__(
        self, streams: NodeStreams, *, clock: Callable[[], float] = time.monotonic, wait_seconds: float = _WAIT_SECONDS
    ) -> None:
        self._streams = streams
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._nodes: dict[str, _Node] = {}

    async def of(self, nodes: Iterable[str]) -> dict[str, NodeUsage]:
        """By node; those that cannot tell are missing."""
        now = self._clock()
        self._forget(now)
        wanted = {name: self._nodes.setdefault(name, _Node()) for name in nodes}
        for node in wanted.values():
            node.wanted = now
        asked = iter([name for name, node in wanted.items() if not self._is_good(node)])
        try:
            async with asyncio.timeout(self._wait_seconds), asyncio.TaskGroup() as group:
                for _ in range(min(_AT_ONCE, len(wanted))):
                    group.create_task(self._ask_each(asked))
        except TimeoutError:
            log.debug("some nodes did not tell what they use in time")
        oldest = self._clock() - _STALE_SECONDS
        return {name: node.usage for name, node in wanted.items() if node.usage is not None and node.answered >= oldest}

    def _is_good(self, node: _Node) -> bool:
        return self._clock() - node.answered < _GOOD_SECONDS

    async def _ask_each(self, names: Iterator[str]) -> None:
        for name in names:
            node = self._nodes[name]
            async with node.turn:
                if not self._is_good(node):  # another may have asked meanwhile
                    await self._ask(name, node)

    async def _ask(self, name: str, node: _Node) -> None:
        try:
            stream = await self._streams.open(name, StreamOpen(id="", kind=STREAM_KIND))
        except StatusError:
            node.usage = None  # it is not connected: what it said is no news
            return
        data = bytearray()
        try:
            async for frame in stream.frames():
                data += frame.data
                if frame.eof or len(data) > MAX_BYTES:
                    break
            node.usage, node.answered = decode(bytes(data)), self._clock()
        except (StreamBroken, MalformedMetrics) as error:
            log.debug("a node does not tell what it uses", extra={"node": name, "error": error})
        finally:
            await stream.close()

    def _forget(self, now: float) -> None:
        for name in [name for name, node in self._nodes.items() if now - node.wanted > _FORGET_SECONDS]:
            if not self._nodes[name].turn.locked():
                del self._nodes[name]
