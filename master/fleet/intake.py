"""Takes in what nodes say: who speaks, is it well-formed, then to whom it belongs.

Fed by `master.fleet.fleet` with batches, in order. The topic tells the node; the broker's ACL lets nobody else write there.
Statuses are kept per node and object, latest wins, and written by workers, one node at a time: a node that floods delays
itself, and memory is bounded by the pods that there are. Nothing that a node can send raises out of here.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from master.fleet.liveness import Liveness
from master.fleet.mirrors import MirrorWriter
from master.fleet.node_events import NodeEvents
from master.fleet.nodes import NodeWriter
from master.fleet.pods import PodWriter
from master.fleet.publisher import Publisher
from master.fleet.rejections import Rejections
from master.fleet.returns import Returns
from master.fleet.streams import FleetStreams
from master.fleet.view import FleetView
from master.informer.workers import run_workers
from master.informer.workqueue import WorkQueue
from proto.delivery import Delivery
from proto.envelope import Envelope, MalformedMessage
from proto.messages import (
    EventReport,
    Heartbeat,
    Hello,
    Message,
    MirrorPodReport,
    NodeStatusReport,
    Offline,
    PodStatusReport,
    decode,
)
from proto.topics import Topics

log = logging.getLogger(__name__)

_WORKERS = 16
#: Statuses of one node that wait to be written. A kubelet runs at most 110 pods by default; this bounds a hostile one.
MAX_WAITING = 4096
#: Nodes that may wait at once.
MAX_NODES = 20_000
#: Which message belongs on which up topic.
_KINDS: dict[str, type[Message]] = {
    "hello": Hello,
    "heartbeat": Heartbeat,
    "offline": Offline,
    "status": NodeStatusReport,
    "pods": PodStatusReport,
    "mirrors": MirrorPodReport,
    "events": EventReport,
}


@dataclass(frozen=True, slots=True)
class IntakeParts:
    """Whom the intake hands on to."""

    view: FleetView
    publisher: Publisher
    liveness: Liveness
    nodes: NodeWriter
    pods: PodWriter
    events: NodeEvents
    streams: FleetStreams
    mirrors: MirrorWriter
    rejections: Rejections
    returns: Returns


class Intake:
    """See the module."""

    def __init__(self, topics: Topics, parts: IntakeParts) -> None:
        self._topics = topics
        self._parts = parts
        self._waiting: dict[str, dict[str, Message]] = {}
        self._queue: WorkQueue[str] = WorkQueue("fleet-intake")

    async def run(self) -> None:
        """Write to the API what came in, until cancelled."""
        await run_workers(self._queue, self._reconcile, workers=_WORKERS, name="fleet-intake")

    async def take(self, deliveries: Sequence[Delivery]) -> None:
        """Take in a batch. What the broker kept is a copy of something old: nodes say it again."""
        for delivery in deliveries:
            if delivery.retained:
                continue
            parsed = self._topics.parse_up(delivery.topic)
            if parsed is None:
                self._parts.rejections.note("topic", delivery.topic, "not a node's topic")
                continue
            node, what, stream = parsed
            try:
                message = decode(Envelope.unpack(delivery.payload))
                if what == "streams":
                    self._parts.liveness.heard(node)
                    await self._parts.streams.deliver(node, stream, message)
                else:
                    self._sort(node, what, message)
            except MalformedMessage as error:
                self._parts.rejections.note("malformed", delivery.topic, error)

    def _sort(self, node: str, what: str, message: Message) -> None:
        """Raises MalformedMessage."""
        if _KINDS.get(what) is not type(message):
            raise MalformedMessage(f"{type(message).__name__} does not belong on this topic")
        parts = self._parts
        if isinstance(message, Offline):
            parts.liveness.left(node, orderly=message.orderly)
            log.info("a node's session ended", extra={"node": node, "orderly": message.orderly})
            return
        parts.liveness.heard(node)
        parts.returns.heard(node)
        if isinstance(message, Hello | Heartbeat):
            parts.streams.greeted(node, message.run)
        match message:
            case Hello():
                log.info("a node said hello", extra={"node": node, "holds": len(message.inventory)})
                self._wait(node, "hello", message)
            case NodeStatusReport():
                self._wait(node, "status", message)
            case PodStatusReport():
                pod = parts.view.pod(message.namespace, message.name)
                if pod is None or pod.metadata is None or pod.metadata.uid != message.uid:
                    return  # of a pod that is gone, or of another one
                self._wait(node, f"pod {message.uid}", message)
            case MirrorPodReport():
                self._wait(node, f"mirror {message.namespace}/{message.name}", message)
            case EventReport():
                parts.events.take(node, message)

    def _wait(self, node: str, key: str, message: Message) -> None:
        waiting = self._waiting.get(node)
        if waiting is None:
            if len(self._waiting) >= MAX_NODES:
                self._parts.rejections.note("overflow", node, "too many nodes speak at once")
                return
            waiting = self._waiting[node] = {}
        if key not in waiting and len(waiting) >= MAX_WAITING:
            self._parts.rejections.note("overflow", node, "a node reports faster than it can be written")
            return
        waiting[key] = message
        self._queue.add(node)

    async def _reconcile(self, node: str) -> None:
        """Write all that waits of one node. What fails for now waits again, unless something newer came."""
        waiting = self._waiting.pop(node, {})
        while waiting:
            key, message = next(iter(waiting.items()))
            try:
                await self._write(node, message)
            except MalformedMessage as error:
                self._parts.rejections.note("malformed", node, error)
            except Exception:
                for left, kept in waiting.items():
                    self._waiting.setdefault(node, {}).setdefault(left, kept)
                raise
            del waiting[key]

    async def _write(self, node: str, message: Message) -> None:
        parts = self._parts
        match message:
            case Hello():
                await parts.nodes.hello(node, message)
                parts.publisher.heard(node, message.inventory)
            case NodeStatusReport():
                await parts.nodes.status(node, message)
            case PodStatusReport():
                await parts.pods.status(node, message)
            case MirrorPodReport():
                await parts.mirrors.write(node, message)
            case _:
                raise AssertionError(f"{type(message).__name__} is not written")
