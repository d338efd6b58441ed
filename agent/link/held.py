"""What the receiver remembers of each accepted order beside the object itself: enough to compare, list and save it.

Pure bookkeeping; the objects live in `agent.desired`, the bytes in `agent.checkpoint`.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from proto.envelope import Envelope
from proto.messages import DesiredIndex, IndexEntry, InventoryEntry
from proto.topics import ObjectTopic, Topics

#: "shared" or "node": each has an index of its own.
Scope = str
SHARED: Scope = "shared"
NODE: Scope = "node"


def scope_of(topic: ObjectTopic) -> Scope:
    return NODE if topic.node else SHARED


def digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Held:
    """An accepted order. `name` is the object's own (a pod's topic carries its uid instead)."""

    topic: ObjectTopic
    name: str
    uid: str
    epoch: int
    revision: int
    sealed: bool
    body: bytes

    def says_the_same(self, envelope: Envelope, *, sealed: bool) -> bool:
        """True when `envelope` orders what is already on disk: then nothing is written.

        A sealed body differs each time that it is sealed, so there the revision tells.
        """
        if self.uid != envelope.uid or self.sealed != sealed:
            return False
        return self.revision == envelope.revision if sealed else self.body == digest(envelope.body)

    def renewed(self, envelope: Envelope) -> "Held":
        return replace(self, epoch=envelope.epoch, revision=envelope.revision)


@dataclass(frozen=True, slots=True)
class Index:
    """The newest index of a scope, by the topics of its objects."""

    epoch: int
    revision: int
    entries: dict[str, IndexEntry]

    def outlives(self, epoch: int, revision: int) -> bool:
        """True when an order of this age is older than the index, or of its very time."""
        return (epoch, revision) <= (self.epoch, self.revision)


def index_of(message: DesiredIndex, envelope: Envelope, *, topics: Topics, node: str) -> Index:
    """`node` is empty for the shared index. Raises ValueError for an entry that names no possible object."""
    entries: dict[str, IndexEntry] = {}
    for entry in message.entries:
        name = entry.uid if entry.resource == "pods" else entry.name
        if node:
            entries[topics.node_object(node, entry.resource, entry.namespace, name)] = entry
        else:
            entries[topics.shared_object(entry.resource, entry.namespace, name)] = entry
    return Index(envelope.epoch, envelope.revision, entries)


class Holdings:
    """All accepted orders by topic, and the newest index of each scope."""

    def __init__(self) -> None:
        self.orders: dict[str, Held] = {}
        self.indexes: dict[Scope, Index] = {}

    def inventory(self) -> list[InventoryEntry]:
        return [
            InventoryEntry(
                resource=held.topic.resource,
                namespace=held.topic.namespace,
                name=held.name,
                uid=held.uid,
                epoch=held.epoch,
                revision=held.revision,
            )
            for held in self.orders.values()
        ]

    def unlisted(self, scope: Scope) -> list[str]:
        """Topics that the scope's index of this epoch ends: it does not list them, and they are not newer than it."""
        index = self.indexes[scope]
        return [
            topic
            for topic, held in self.orders.items()
            if scope_of(held.topic) == scope and topic not in index.entries and index.outlives(held.epoch, held.revision)
        ]

    def missing(self) -> Iterator[str]:
        """Topics that an index lists and whose order did not come yet, or only an older one."""
        for index in self.indexes.values():
            for topic, entry in index.entries.items():
                held = self.orders.get(topic)
                if held is None or held.uid != entry.uid or (held.epoch <= index.epoch and held.revision < entry.revision):
                    yield topic
