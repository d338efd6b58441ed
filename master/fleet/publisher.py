"""Publishes to each reader what it must have: compare, send the difference, then the index.

Level-triggered: a reader is marked, and whoever marks it says nothing of what changed. Called by `master.fleet.fleet`, which
hands it each new session; every session starts from nothing on the broker.

Invariants: an index is published after the orders that it lists are on the broker, and only when the informers know
everything. What cannot be sent is marked again by the next session.
"""

import asyncio
import base64
import binascii
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from prometheus_client import Counter

from master.client.events import EventRecorder
from master.fleet.outgoing import Order, Outgoing
from master.fleet.view import SEALING_KEY_ANNOTATION, SHARED, FleetView
from master.informer.workers import run_workers
from master.informer.workqueue import WorkQueue
from proto.envelope import MAX_ENVELOPE_BYTES
from proto.messages import InventoryEntry, Leader, Message, NodeOrder, ObjectOrder, encode
from proto.mqtt_session import Session, SessionLost
from proto.sealing import seal_object
from proto.signing import Signer
from proto.topics import Topics

log = logging.getLogger(__name__)

_WORKERS = 8
#: Seconds between two looks at tombstones that may be cleared.
_SWEEP_SECONDS = 30.0
#: Orders that are made and signed before others get their turn on the event loop.
_BATCH = 64
#: Seconds between two looks at a reader for the tokens of its pods, at least.
_MIN_ROTATION_SECONDS = 1.0
_TOO_LARGE = f"Nodes are not told: the object exceeds the limit of {MAX_ENVELOPE_BYTES} bytes"
_SHARED_RESOURCES = frozenset(("services", "endpointslices", "nodes"))

PUBLISHED = Counter("wherry_fleet_published_total", "Messages published to nodes", ["kind"])
OVERSIZED = Counter("wherry_fleet_oversized_total", "Orders that exceed the limit of an envelope and were not published")


@dataclass(frozen=True, slots=True)
class ClusterOrder:
    """What every node is told of the cluster; with its pod CIDR it is a NodeOrder."""

    cluster_cidr: str
    service_cidr: str
    cluster_dns: str
    cluster_domain: str
    node_port_first: int
    node_port_last: int
    heartbeat_seconds: float


class Publisher:
    """See the module. `epoch` is this leader's."""

    def __init__(
        self,
        view: FleetView,
        recorder: EventRecorder,
        *,
        signer: Signer,
        topics: Topics,
        epoch: int,
        identity: str,
        cluster: ClusterOrder,
    ) -> None:
        self._view = view
        self._recorder = recorder
        self._signer = signer
        self._topics = topics
        self._epoch = epoch
        self._identity = identity
        self._cluster = cluster
        self._queue: WorkQueue[str] = WorkQueue("fleet-publish")
        self._readers: dict[str, Outgoing] = {}
        self._node_orders: dict[str, tuple[NodeOrder, int]] = {}
        self._inventories: dict[str, Sequence[InventoryEntry]] = {}
        #: Above every index of a reader that was forgotten, so that its next one is newer.
        self._index_floor = 0
        self._session: Session | None = None
        #: Nodes that are to say everything again.
        self._to_ask: set[str] = set()
        view.on_change(self.mark)

    def mark(self, reader: str) -> None:
        """Something that concerns this reader may have changed."""
        self._queue.add(reader)

    def heard(self, node: str, inventory: Sequence[InventoryEntry]) -> None:
        """A node said hello and what it holds."""
        self._inventories[node] = inventory
        self.mark(node)

    def ask(self, node: str) -> None:
        """Have one node say hello and all its statuses again."""
        self._to_ask.add(node)
        self.mark(node)

    async def send(self, topic: str, message: Message, *, assured: bool = True) -> None:
        """Publish a signed message that is not retained (streams). Raises SessionLost."""
        if self._session is None:
            raise SessionLost("the master has no session with the broker")
        await self._session.publish(topic, self._pack(topic, message), assured=assured)

    async def announce(self) -> None:
        """Tell all nodes who leads; they answer with Hello and all their statuses. Raises SessionLost."""
        if self._session is not None:
            await self._publish(self._session, self._topics.leader, Leader(identity=self._identity))

    async def run(self, session: Session) -> None:
        """Publish over this session until it is lost (SessionLost, in a group) or cancelled."""
        for outgoing in self._readers.values():
            outgoing.session_lost()
        self._node_orders.clear()
        self._session = session
        for reader in self._view.readers() | self._readers.keys():
            self.mark(reader)
        try:
            async with asyncio.TaskGroup() as group:
                await self.announce()
                lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                group.create_task(_raise_when(lost))
                group.create_task(self._sweep())
                group.create_task(
                    run_workers(self._queue, self._worker(session, lost), workers=_WORKERS, name="fleet-publish")
                )
        finally:
            self._session = None

    def _worker(self, session: Session, lost: "asyncio.Future[None]") -> Callable[[str], Awaitable[None]]:
        async def work(reader: str) -> None:
            try:
                await self._reconcile(session, reader)
            except* SessionLost as group:
                if not lost.done():
                    lost.set_exception(SessionLost(str(group.exceptions[0])))

        return work

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            for reader, outgoing in self._readers.items():
                if outgoing.tombstones:
                    self.mark(reader)

    async def _reconcile(self, session: Session, reader: str) -> None:
        outgoing = self._readers.get(reader)
        if outgoing is None:
            outgoing = self._readers[reader] = Outgoing(self._topic_of(reader), index_revision=self._index_floor)
        inventory: Sequence[InventoryEntry] | None = None
        if reader != SHARED:
            inventory = self._inventories.pop(reader, None)
            outgoing.use_key(self._sealing_key(reader))
            await self._publish_node_order(session, reader, again=inventory is not None)
            if inventory is not None:
                self._heed(outgoing, inventory)
            if reader in self._to_ask:
                self._to_ask.discard(reader)
                await self.send(self._topics.node_leader(reader), Leader(identity=self._identity))
        orders = outgoing.compare(self._view.wanted(reader), time.monotonic())
        async with asyncio.TaskGroup() as group:
            for number, order in enumerate(orders):
                group.create_task(self._send_order(session, order, outgoing.sealing))
                if number % _BATCH == _BATCH - 1:
                    await asyncio.sleep(0)
        due = self._view.due(reader)
        if due is not None:
            self._queue.add_after(reader, max(due, _MIN_ROTATION_SECONDS))
        index = outgoing.index(again=inventory is not None)
        if index is not None:
            message, revision = index
            topic = self._topics.shared_index if reader == SHARED else self._topics.node_index(reader)
            await self._publish(session, topic, message, revision=revision)
        for topic in self._strangers(outgoing, inventory or ()):
            await session.publish(topic, b"", retain=True)
        if orders:
            log.debug("published", extra={"reader": reader or "shared", "orders": len(orders)})
        if reader != SHARED and self._view.node(reader) is None and not outgoing.sent:
            await self._forget(session, reader)

    def _heed(self, outgoing: Outgoing, inventory: Sequence[InventoryEntry]) -> None:
        """What a node holds, against what it and all should have: what it lacks is published again."""
        now = time.monotonic()
        outgoing.heed_inventory(_own(inventory), epoch=self._epoch, now=now)
        shared = self._readers.get(SHARED)
        # A node that holds nothing starts anew, and the broker gives it all that is shared: no need to send that to everybody.
        if shared is not None and inventory:
            # Only what it lacks: a tombstone is not confirmed by one node for all.
            lacking = Outgoing(shared.topic, sent={topic: sent for topic, sent in shared.sent.items() if not sent.removed})
            lacking.heed_inventory(_shared(inventory), epoch=self._epoch, now=now)
            if any(not sent.on_broker for sent in lacking.sent.values()):
                self.mark(SHARED)

    def _strangers(self, outgoing: Outgoing, inventory: Sequence[InventoryEntry]) -> list[str]:
        shared = self._readers.get(SHARED)
        return outgoing.strangers(_own(inventory)) + (shared.strangers(_shared(inventory)) if shared is not None else [])

    async def _publish_node_order(self, session: Session, node: str, *, again: bool) -> None:
        found = self._view.node(node)
        if found is None or found.spec is None or not found.spec.podCIDR or found.metadata is None:
            return
        cluster = self._cluster
        order = NodeOrder(
            pod_cidr=found.spec.podCIDR,
            cluster_cidr=cluster.cluster_cidr,
            service_cidr=cluster.service_cidr,
            cluster_dns=cluster.cluster_dns,
            cluster_domain=cluster.cluster_domain,
            node_port_first=cluster.node_port_first,
            node_port_last=cluster.node_port_last,
            heartbeat_seconds=cluster.heartbeat_seconds,
        )
        known = self._node_orders.get(node)
        if known is not None and known[0] == order and not again:
            return
        revision = known[1] if known is not None and known[0] == order else int(found.metadata.resourceVersion or 0)
        self._node_orders[node] = (order, revision)
        await self._publish(session, self._topics.node_order(node), order, revision=revision, uid=found.metadata.uid or "")

    async def _forget(self, session: Session, node: str) -> None:
        """The node is gone, and so is everything that was ordered: leave nothing retained for it."""
        await session.publish(self._topics.node_order(node), b"", retain=True)
        await session.publish(self._topics.node_index(node), b"", retain=True)
        forgotten = self._readers.pop(node)
        self._index_floor = max(self._index_floor, forgotten.index_revision)
        self._node_orders.pop(node, None)

    async def _send_order(self, session: Session, order: Order, sealing: bytes) -> None:
        sent = order.sent
        if order.clear:
            await session.publish(order.topic, b"", retain=True)
            return
        secret = sent.resource == "secrets" and order.object is not None
        message = ObjectOrder(
            resource=sent.resource,
            namespace=sent.namespace,
            name=sent.name,
            object=None if secret else order.object,
            sealed=seal_object(order.object, sealing, order.topic) if secret and order.object is not None else None,
            removed=order.object is None,
        )
        sent.too_large = not await self._publish(session, order.topic, message, revision=sent.revision, uid=sent.uid)
        if sent.too_large and order.origin is not None:
            self._recorder.event(order.origin, "Warning", "OrderTooLarge", _TOO_LARGE)

    async def _publish(self, session: Session, topic: str, message: Message, *, revision: int = 0, uid: str = "") -> bool:
        """Whether it was published: False when it exceeds the limit of an envelope. Raises SessionLost."""
        payload = self._pack(topic, message, revision=revision, uid=uid)
        if len(payload) > MAX_ENVELOPE_BYTES:
            OVERSIZED.inc()
            log.error("an order is too large for the wire", extra={"topic": topic, "bytes": len(payload)})
            return False
        await session.publish(topic, payload, retain=True)
        PUBLISHED.labels(type(message).__name__).inc()
        return True

    def _pack(self, topic: str, message: Message, *, revision: int = 0, uid: str = "") -> bytes:
        return self._signer.sign(encode(message, epoch=self._epoch, revision=revision, uid=uid), topic).pack()

    def _topic_of(self, reader: str) -> Callable[[str, str, str], str]:
        if reader == SHARED:
            return self._topics.shared_object
        return lambda resource, namespace, name: self._topics.node_object(reader, resource, namespace, name)

    def _sealing_key(self, node: str) -> bytes:
        """The node's public sealing key, or nothing when it has not told one."""
        found = self._view.node(node)
        annotations = (found.metadata.annotations or {}) if found is not None and found.metadata is not None else {}
        try:
            key = base64.b64decode(annotations.get(SEALING_KEY_ANNOTATION, ""), validate=True)
        except binascii.Error:
            return b""
        return key if len(key) == 32 else b""


def _own(inventory: Sequence[InventoryEntry]) -> list[InventoryEntry]:
    return [entry for entry in inventory if entry.resource not in _SHARED_RESOURCES]


def _shared(inventory: Sequence[InventoryEntry]) -> list[InventoryEntry]:
    return [entry for entry in inventory if entry.resource in _SHARED_RESOURCES]


async def _raise_when(lost: "asyncio.Future[None]") -> None:
    await lost
