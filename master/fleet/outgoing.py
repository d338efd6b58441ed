"""What was published to one reader: compared with what it must have, it gives the orders to send. Pure bookkeeping.

    (absent) ──wanted──► ordered ──not wanted──► tombstone ──confirmed or old──► cleared (absent)
                            ▲                        │
                            └────────wanted──────────┘   with a revision above the tombstone's

Revisions on the wire: an order carries its object's resourceVersion, raised above its tombstone's where there was one; a
tombstone is one above its order; an index is above everything it describes and above the index before it.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec
from lightkube.core.resource import Resource

from master.fleet.trim import trim
from master.fleet.view import Wanted
from proto.messages import DesiredIndex, IndexEntry, InventoryEntry, Json

#: Seconds that a tombstone stays retained for a node that does not confirm it. The index says the same, for good.
TOMBSTONE_SECONDS = 60.0
#: Seconds that an order has to arrive before a hello without it means that it was lost.
IN_FLIGHT_SECONDS = 1.5


@dataclass(slots=True)
class Sent:
    """One object topic as it was published last."""

    resource: str
    namespace: str
    name: str
    uid: str
    revision: int
    digest: bytes
    #: The resourceVersion that the digest was taken of: while it is the same nothing needs to be computed.
    version: int
    removed: bool = False
    #: False: this broker session has not seen it.
    on_broker: bool = False
    at: float = 0.0
    #: The order does not fit into an envelope and was not published.
    too_large: bool = False
    #: The revision of the newest order before this one that was published; 0: none was.
    before: int = 0

    @property
    def published(self) -> int:
        """The revision of the newest order that was published: what the reader can have. 0: none was."""
        return self.before if self.too_large else self.revision


@dataclass(frozen=True, slots=True)
class Order:
    """An order to send. `object` is None for a tombstone; `clear`: empty the retained topic instead.

    `origin`: the object as the API has it, for who wants to say something of it.
    """

    topic: str
    sent: Sent
    object: Json | None = None
    clear: bool = False
    origin: Resource | None = None


@dataclass(slots=True)
class Outgoing:
    """The state of one reader. `topic` makes an object's topic of resource, namespace and name."""

    topic: Callable[[str, str, str], str]
    sealing: bytes = b""
    sent: dict[str, Sent] = field(default_factory=dict)
    index_revision: int = 0
    _index_digest: bytes = b""
    _index_on_broker: bool = False

    def use_key(self, sealing: bytes) -> None:
        """The reader's public sealing key; another one than before makes its secrets be sealed anew."""
        if sealing != self.sealing:
            self.sealing = sealing
            for sent in self.sent.values():
                if sent.resource == "secrets":
                    sent.version = -1

    def session_lost(self) -> None:
        """The broker may have lost everything: all is to be published again."""
        self._index_on_broker = False
        for sent in self.sent.values():
            sent.on_broker = False

    def compare(self, wanted: Iterable[Wanted], now: float) -> list[Order]:
        """The orders that make the broker hold what is wanted. Those that fail must be reported by `session_lost`."""
        orders: list[Order] = []
        present: set[str] = set()
        for one in wanted:
            if one.resource == "secrets" and not self.sealing:
                continue  # it cannot be sealed before the node has told its key
            topic = self.topic(one.resource, one.namespace, one.topic_name)
            present.add(topic)
            order = self._order(topic, one)
            if order is not None:
                orders.append(order)
        for topic, sent in list(self.sent.items()):
            if topic in present:
                continue
            if not sent.removed:
                sent.removed, sent.on_broker, sent.at = True, False, now
                sent.revision += 1
                sent.digest = b""
            if now - sent.at > TOMBSTONE_SECONDS:
                del self.sent[topic]
                orders.append(Order(topic, sent, clear=True))
            elif not sent.on_broker:
                orders.append(Order(topic, sent))
        for order in orders:
            order.sent.on_broker = True
            if not order.sent.removed:
                order.sent.at = now
        return orders

    def index(self, *, again: bool) -> tuple[DesiredIndex, int] | None:
        """The index and its revision, when it must be published: changed, not on the broker, or asked for `again`."""
        # What could not be published is listed as it was before, or not at all: a reader would ask for it for ever.
        entries = [
            IndexEntry(resource=sent.resource, namespace=sent.namespace, name=sent.name, uid=sent.uid, revision=sent.published)
            for _, sent in sorted(self.sent.items())
            if not sent.removed and sent.published
        ]
        digest = hashlib.blake2b(msgspec.msgpack.encode(entries), digest_size=16).digest()
        if digest != self._index_digest:
            newest = max((sent.revision for sent in self.sent.values()), default=0)
            self.index_revision = max(self.index_revision + 1, newest)
        elif self._index_on_broker and not again:
            return None
        self._index_digest, self._index_on_broker = digest, True
        return DesiredIndex(entries=entries), self.index_revision

    def heed_inventory(self, entries: Iterable[InventoryEntry], *, epoch: int, now: float) -> None:
        """What a node says that it holds: marks for publishing what it lacks, forgets tombstones that it has followed."""
        held = {self._topic_of(entry): entry for entry in entries}
        for topic, sent in self.sent.items():
            entry = held.get(topic)
            if sent.removed:
                if entry is None:
                    sent.at = min(sent.at, now - TOMBSTONE_SECONDS - 1)
                continue
            if sent.too_large:
                continue  # publishing it again would fail again
            current = entry is not None and (entry.uid, entry.epoch, entry.revision) == (sent.uid, epoch, sent.revision)
            if not current and now - sent.at > IN_FLIGHT_SECONDS:
                sent.on_broker = False

    def strangers(self, entries: Iterable[InventoryEntry]) -> list[str]:
        """Topics that a node holds and nobody ordered: the index ends them, and their retained orders are to be cleared.

        Only true after `compare`. Empty as long as no index was published.
        """
        if not self._index_on_broker:
            return []
        return [topic for topic in map(self._topic_of, entries) if topic not in self.sent]

    def _topic_of(self, entry: InventoryEntry) -> str:
        return self.topic(entry.resource, entry.namespace, entry.uid if entry.resource == "pods" else entry.name)

    @property
    def tombstones(self) -> bool:
        return any(sent.removed for sent in self.sent.values())

    def _order(self, topic: str, wanted: Wanted) -> Order | None:
        sent = self.sent.get(topic)
        known = sent is not None and not sent.removed and sent.uid == wanted.uid
        if known and sent is not None and sent.on_broker and sent.version == wanted.version:
            return None
        found = wanted.load()
        value = trim(wanted.resource, found)
        if known and sent is not None and sent.version == wanted.version:
            return Order(topic, sent, value, origin=found)
        digest = hashlib.blake2b(
            msgspec.json.encode(value), digest_size=16, key=self.sealing if wanted.resource == "secrets" else b""
        ).digest()
        if known and sent is not None and sent.digest == digest:
            sent.version = wanted.version
            return None if sent.on_broker else Order(topic, sent, value, origin=found)
        revision = wanted.version
        before = 0
        if sent is not None:
            revision = max(revision, sent.revision + 1)
            before = sent.published if known else 0
        sent = Sent(
            wanted.resource, wanted.namespace, wanted.name, wanted.uid, revision, digest, wanted.version, before=before
        )
        self.sent[topic] = sent
        return Order(topic, sent, value, origin=found)
