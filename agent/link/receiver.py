"""Takes in the master's orders: verify, decode, compare, save, then make them desired. The node's gate.

Fed by `agent.link.link` (one caller, one batch at a time) and, at start, by the checkpoint through the very same checks.

    payload ─► envelope ─► newer? ─► signature ─► message ─► typed object ─► disk ─► DesiredState ─► readers are told

Invariants:
- Absence never means delete. An object leaves only by a signed tombstone or a signed index of the current epoch that is not
  older than the object's order. An emptied retained topic, a wiped broker, a damaged file end nothing.
- What is in `DesiredState` is on disk, but for renewed tokens (`agent.link.renewals`). An order that cannot be saved is not
  accepted; `retry` tries it again.
- Per object only a newer (epoch, revision) is accepted, so duplicates and reordering cannot regress anything. An order that
  is not newer than the newest index and not listed there (a broker that restored an old backup) waits for an index that
  lists it.
- Nothing that the broker can send raises out of here.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from agent.checkpoint.checkpoint import Checkpoint
from agent.desired import Change, DesiredState
from agent.link.held import NODE, SHARED, Held, Holdings, Index, Scope, digest, index_of, scope_of
from agent.link.objects import Ordered, check_topic, decode_object, exists_or_is_gone, put, remove
from agent.link.rejections import Rejections
from agent.link.renewals import Renewals, index_digest
from proto.delivery import Delivery
from proto.envelope import Envelope, MalformedMessage
from proto.messages import DesiredIndex, InventoryEntry, Leader, Message, NodeOrder, ObjectOrder, decode
from proto.ordering import Ordering
from proto.sealing import Unsealable, unseal_object
from proto.signing import Forged, Verifier
from proto.topics import ObjectTopic, Topics

_LOG = logging.getLogger(__name__)

#: Orders that wait for a disk that takes them, for an index that lists them; tombstones that are remembered. Beyond that
#: the oldest goes: an index shows what is missing and the master sends it again.
MAX_WAITING = 4096


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """Who this node is on the wire. `sealing_key` is the private one, 32 raw bytes."""

    name: str
    topics: Topics
    verifier: Verifier
    sealing_key: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a batch meant beyond the desired state.

    `leader_spoke`: a leader is new or said that it is there: say hello and send everything again. `indexed`: an index came:
    see what is missing.
    """

    leader_spoke: bool = False
    indexed: bool = False
    gone_pods: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Order:
    """A checked order, not yet accepted. `value` is None for a tombstone; `place` is None for the node's own order."""

    topic: str
    place: ObjectTopic | None
    name: str
    envelope: Envelope
    payload: bytes
    value: Ordered | NodeOrder | None
    sealed: bool = False

    @property
    def age(self) -> tuple[int, int]:
        return (self.envelope.epoch, self.envelope.revision)


class Receiver:
    """See the module. `restore` comes first, once."""

    def __init__(
        self, *, identity: NodeIdentity, desired: DesiredState, checkpoint: Checkpoint, rejections: Rejections
    ) -> None:
        self._identity = identity
        self._desired = desired
        self._checkpoint = checkpoint
        self._rejections = rejections
        self._ordering = Ordering()
        self._holdings = Holdings()
        self._node_topic = identity.topics.node_order(identity.name)
        self._index_topics: dict[str, Scope] = {
            identity.topics.shared_index: SHARED,
            identity.topics.node_index(identity.name): NODE,
        }
        self._node_order_saved = b""
        self._saved_epoch = 0
        self._saved_index = b""
        self._renewals = Renewals()
        self._unsaved: dict[str, _Order] = {}
        self._doubtful: dict[str, _Order] = {}
        self._tombstones: dict[str, None] = {}
        self._gone_pods: set[str] = set()

    # ── what the link asks ───────────────────────────────────────────────────────────────────────────────────────────

    @property
    def epoch(self) -> int:
        """The newest leader's."""
        return self._ordering.epoch

    @property
    def unsaved(self) -> int:
        """How many orders wait for a disk that takes them."""
        return len(self._unsaved)

    def inventory(self) -> list[InventoryEntry]:
        return self._holdings.inventory()

    def missing(self) -> frozenset[str]:
        """Topics of orders that an index lists and that did not come: reason to ask. Those that wait for the disk did come."""
        return frozenset(topic for topic in self._holdings.missing() if topic not in self._unsaved)

    async def restore(self) -> tuple[str, ...]:
        """Read the checkpoint into `DesiredState`. Returns what was damaged, for people. Raises CheckpointUnusable."""
        loaded = await self._checkpoint.load()
        damaged = list(loaded.damaged)
        index: tuple[str, Envelope, DesiredIndex] | None = None
        orders: list[_Order] = []
        for record in loaded.records:
            delivery = Delivery(record.topic, record.payload)
            try:
                envelope, message = self._read(delivery)
                if isinstance(message, DesiredIndex) and self._index_topics.get(record.topic) == NODE:
                    index = (record.topic, envelope, message)
                    self._saved_index = index_digest(message)
                else:
                    orders.append(self._order(delivery, envelope, message))
            except (Forged, MalformedMessage, Unsealable) as error:
                await self._checkpoint.set_aside([record.topic], str(error))
                damaged.append(f"{record.topic}: {error}")
            await asyncio.sleep(0)  # thousands of signatures: other tasks go on
        for order in sorted(orders, key=lambda order: order.age):
            self._ordering.accept(order.topic, *order.age)
            self._apply(order)
            self._note_saved(order.topic)
        self._ordering.observe_epoch(loaded.epoch)
        self._saved_epoch = loaded.epoch
        if index is not None:
            try:
                await self._take_index(NODE, *index)
            except MalformedMessage as error:
                await self._checkpoint.set_aside([index[0]], str(error))
                damaged.append(f"{index[0]}: {error}")
        _LOG.info(
            "checkpoint restored",
            extra={"pods": len(self._desired.pods), "orders": len(orders), "epoch": self.epoch, "damaged": len(damaged)},
        )
        return tuple(damaged)

    async def receive(self, deliveries: Sequence[Delivery]) -> Outcome:
        """Take in a batch, in order. Never raises for what is in it."""
        leader_spoke = indexed = False
        pending: dict[str, _Order] = {}
        for delivery in deliveries:
            if not delivery.payload:
                continue  # a cleared retained topic: says nothing
            try:
                read = self._read_if_newer(delivery)
                if read is None:
                    continue
                envelope, message = read
                newer_epoch = envelope.epoch > self._ordering.epoch
                if not self._ordering.observe_epoch(envelope.epoch):
                    self._rejections.note("stale", delivery.topic, f"epoch {envelope.epoch} is older than {self.epoch}")
                    continue
                leader_spoke = leader_spoke or newer_epoch
                if isinstance(message, Leader):
                    leader_spoke = leader_spoke or not delivery.retained
                elif isinstance(message, DesiredIndex):
                    await self._accept(pending)
                    pending = {}
                    await self._index(delivery, envelope, message)
                    indexed = True
                else:
                    order = self._order(delivery, envelope, message)
                    waiting = pending.get(order.topic)
                    if waiting is None or order.age > waiting.age:
                        pending[order.topic] = order
            except Forged as error:
                self._rejections.note("forged", delivery.topic, error)
            except MalformedMessage as error:
                self._rejections.note("malformed", delivery.topic, error)
            except Unsealable as error:
                self._rejections.note("unsealable", delivery.topic, error)
        await self._accept(pending)
        await self._save_epoch()
        gone, self._gone_pods = frozenset(self._gone_pods), set()
        return Outcome(leader_spoke=leader_spoke, indexed=indexed, gone_pods=gone)

    async def retry(self) -> Outcome:
        """Try again what could not be saved."""
        await self._accept(dict(self._unsaved))
        return await self.receive(())

    # ── from bytes to a checked order ────────────────────────────────────────────────────────────────────────────────

    def _read(self, delivery: Delivery) -> tuple[Envelope, Message]:
        envelope = Envelope.unpack(delivery.payload)
        self._identity.verifier.verify(envelope, delivery.topic)
        return envelope, decode(envelope)

    def _read_if_newer(self, delivery: Delivery) -> tuple[Envelope, Message] | None:
        """As `_read`, but the signature of what would be dropped anyway is not computed: a reconnect brings all again."""
        envelope = Envelope.unpack(delivery.payload)
        if envelope.kind in ("ObjectOrder", "NodeOrder") and not self._might_matter(delivery.topic, envelope):
            self._rejections.note("stale", delivery.topic, "not newer than what is held")
            return None
        return self._read(delivery)

    def _might_matter(self, topic: str, envelope: Envelope) -> bool:
        if envelope.epoch < self._ordering.epoch:
            return False
        return topic in self._tombstones or self._ordering.is_newer(topic, envelope.epoch, envelope.revision)

    def _order(self, delivery: Delivery, envelope: Envelope, message: Message) -> _Order:
        """Raises MalformedMessage, Unsealable."""
        topic = delivery.topic
        if isinstance(message, NodeOrder) and topic == self._node_topic:
            return _Order(topic, None, self._identity.name, envelope, delivery.payload, message)
        place = self._identity.topics.parse_object(topic)
        if not isinstance(message, ObjectOrder) or place is None or place.node not in ("", self._identity.name):
            raise MalformedMessage(f"{envelope.kind} does not belong on this topic")
        check_topic(place)
        if (message.resource, message.namespace) != (place.resource, place.namespace):
            raise MalformedMessage("the order is for another object than its topic")
        if message.removed:
            return _Order(topic, place, message.name, envelope, delivery.payload, None)
        if (message.object is None) is (message.sealed is None):
            raise MalformedMessage("an order carries an object, plain or sealed, or is a tombstone")
        if message.sealed is not None:
            value = unseal_object(message.sealed, self._identity.sealing_key, topic)
        else:
            value = message.object or {}
        decoded = decode_object(place, value, envelope.uid)
        return _Order(topic, place, message.name, envelope, delivery.payload, decoded, message.sealed is not None)

    # ── from a checked order to the desired state ────────────────────────────────────────────────────────────────────

    async def _accept(self, pending: Mapping[str, _Order]) -> None:
        """Save, then apply, what is newer than what is held."""
        orders = [order for order in pending.values() if self._is_due(order)]
        changes: dict[str, bytes | None] = {}
        for order in orders:
            if order.value is None:
                if order.topic in self._holdings.orders:
                    # Kept until an index is newer: after a restart, what it ended must not come back from an old message.
                    changes[order.topic] = order.payload or None
            elif not self._is_on_disk(order) and not self._is_renewal(order):
                changes[order.topic] = order.payload
        if orders:
            await self._save_epoch()
        failed = await self._checkpoint.save(changes)
        for order in orders:
            if order.topic in failed:
                _keep_newest(self._unsaved, order)
                continue
            self._ordering.accept(order.topic, *order.age)
            self._apply(order)
            if order.value is not None and order.topic in changes:
                self._note_saved(order.topic)
        for topic in pending.keys() & self._unsaved.keys():
            if not self._ordering.is_newer(topic, *self._unsaved[topic].age):
                del self._unsaved[topic]

    def _is_due(self, order: _Order) -> bool:
        blocked = not self._ordering.is_newer(order.topic, *order.age)
        if order.place is not None and order.value is not None and order.topic not in self._holdings.orders:
            index = self._holdings.indexes.get(scope_of(order.place))
            listed = index is not None and order.topic in index.entries
            ended = index is not None and index.outlives(*order.age) and exists_or_is_gone(order.place)
            if not listed and (ended or (blocked and order.topic in self._tombstones)):
                # Ended before, as far as we know. If it is wanted again, an index will say so.
                _keep_newest(self._doubtful, order)
                self._unsaved.pop(order.topic, None)
                return False
        if blocked:
            self._rejections.note("stale", order.topic, "not newer than what is held")
        return not blocked

    def _is_on_disk(self, order: _Order) -> bool:
        if order.place is None:
            return self._node_order_saved == digest(order.envelope.body)
        held = self._holdings.orders.get(order.topic)
        return held is not None and held.says_the_same(order.envelope, sealed=order.sealed)

    def _is_renewal(self, order: _Order) -> bool:
        return self._renewals.is_one(order.topic, order.envelope, self._holdings.orders.get(order.topic))

    def _note_saved(self, topic: str) -> None:
        held = self._holdings.orders.get(topic)
        if held is not None:
            self._renewals.on_disk(topic, held)

    def _apply(self, order: _Order) -> None:
        if order.place is None:
            assert isinstance(order.value, NodeOrder)
            if order.value != self._desired.node:
                self._desired.node = order.value
                self._desired.tell(Change("node", "", self._identity.name))
            self._node_order_saved = digest(order.envelope.body)
        elif order.value is None:
            self._bury(order.topic, order.place)
            _keep(self._tombstones, order.topic, None, self._ordering)
        elif self._is_on_disk(order):
            self._holdings.orders[order.topic] = self._holdings.orders[order.topic].renewed(order.envelope)
        else:
            assert not isinstance(order.value, NodeOrder)
            envelope = order.envelope
            self._holdings.orders[order.topic] = Held(
                topic=order.place,
                name=order.name,
                uid=envelope.uid,
                epoch=envelope.epoch,
                revision=envelope.revision,
                sealed=order.sealed,
                body=digest(envelope.body),
            )
            self._tombstones.pop(order.topic, None)
            put(self._desired, order.place, order.value)

    def _bury(self, topic: str, place: ObjectTopic) -> None:
        self._renewals.forget(topic)
        if self._holdings.orders.pop(topic, None) is None:
            return
        if place.resource == "pods":
            self._gone_pods.add(place.name)
        remove(self._desired, place)

    # ── indexes and epochs ───────────────────────────────────────────────────────────────────────────────────────────

    async def _index(self, delivery: Delivery, envelope: Envelope, message: DesiredIndex) -> None:
        """Raises MalformedMessage."""
        scope = self._index_topics.get(delivery.topic)
        if scope is None:
            raise MalformedMessage("an index does not belong on this topic")
        age = (envelope.epoch, envelope.revision)
        if self._ordering.is_newer(delivery.topic, *age):
            await self._take_index(scope, delivery.topic, envelope, message, delivery.payload)
        elif self._ordering.newest(delivery.topic) != age:
            self._rejections.note("stale", delivery.topic, "not newer than the index that is held")
            return
        if scope == NODE and not delivery.retained:
            listed = frozenset(entry.uid for entry in message.entries if entry.resource == "pods")
            if listed != self._desired.listed_pods:
                self._desired.listed_pods = listed
                self._desired.tell(Change("pods", "", ""))

    async def _take_index(
        self, scope: Scope, topic: str, envelope: Envelope, message: DesiredIndex, payload: bytes | None = None
    ) -> None:
        """`payload` is None when the index comes from the disk."""
        identity = self._identity
        try:
            index = index_of(message, envelope, topics=identity.topics, node=identity.name if scope == NODE else "")
        except ValueError as error:
            raise MalformedMessage(f"index: {error}") from error
        self._ordering.accept(topic, envelope.epoch, envelope.revision)
        self._holdings.indexes[scope] = index
        gone = self._holdings.unlisted(scope)
        changes: dict[str, bytes | None] = dict.fromkeys(gone)
        if scope == NODE and payload is not None and self._saved_index != index_digest(message):
            changes[topic] = payload
        failed = await self._checkpoint.save(changes)
        if topic in changes and topic not in failed:
            self._saved_index = index_digest(message)
        for ended in gone:
            place = self._holdings.orders[ended].topic
            removal = _Order(ended, place, place.name, envelope, b"", None)
            if ended in failed:
                _keep_newest(self._unsaved, removal)
            else:
                self._ordering.accept(ended, *removal.age)
                self._apply(removal)
        if gone:
            _LOG.info("an index ended objects", extra={"scope": scope, "gone": len(gone), "revision": envelope.revision})
        await self._settle(scope, index)

    async def _settle(self, scope: Scope, index: Index) -> None:
        """What was in doubt is decided by the index; tombstones that it makes needless are forgotten."""
        needless: list[str] = []
        for topic in list(self._tombstones):
            place = self._identity.topics.parse_object(topic)
            age = self._ordering.newest(topic)
            if place is None or scope_of(place) != scope or age is None or not index.outlives(*age):
                continue
            if topic in index.entries or exists_or_is_gone(place):
                del self._tombstones[topic]
                self._ordering.forget(topic)
                needless.append(topic)
        await self._checkpoint.save(dict.fromkeys(needless))
        decided = {
            topic: order
            for topic, order in self._doubtful.items()
            if order.place is not None
            and scope_of(order.place) == scope
            and (topic in index.entries or index.outlives(*order.age))
        }
        for topic in decided:
            del self._doubtful[topic]
        await self._accept({topic: order for topic, order in decided.items() if topic in index.entries})

    async def _save_epoch(self) -> None:
        if self.epoch > self._saved_epoch and await self._checkpoint.save_epoch(self.epoch):
            self._saved_epoch = self.epoch


T = TypeVar("T")


def _keep_newest(waiting: dict[str, _Order], order: _Order) -> None:
    held = waiting.get(order.topic)
    if held is None or order.age > held.age:
        _keep(waiting, order.topic, order)


def _keep(waiting: dict[str, T], topic: str, value: T, ordering: Ordering | None = None) -> None:
    """Remember, and let the oldest go beyond the bound."""
    waiting.pop(topic, None)
    waiting[topic] = value
    while len(waiting) > MAX_WAITING:
        oldest = next(iter(waiting))
        del waiting[oldest]
        if ordering is not None:
            ordering.forget(oldest)
