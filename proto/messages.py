"""Every message type on the wire; the only place where they are declared.

Desired state goes down as orders, one per object, retained by the broker, signed by the master. What nodes observe goes up.
Each message is idempotent. Kubernetes objects travel as their JSON value (a dict as the API shows it).

`encode` and `decode` translate between a message and an envelope's body; `decode` checks every field.
"""

from typing import Annotated, Any

import msgpack
import msgspec

from proto.envelope import Envelope, MalformedMessage, unpack_value

#: A Kubernetes object (or a part of one) as plain JSON.
Json = dict[str, Any]


class Message(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Base of all messages. The class name is the envelope's `kind`."""


# ── down: the master's orders ────────────────────────────────────────────────────────────────────────────────────────


class Leader(Message, frozen=True):
    """Who leads: published retained on the shared leader topic with each new epoch. Agents answer with Hello.

    Published to one node alone when it is to say hello and all its statuses again.
    """

    identity: str


class ObjectOrder(Message, frozen=True):
    """The desired state of one object for its reader.

    `resource` is the plural ("pods", "configmaps", "secrets", "persistentvolumeclaims", "persistentvolumes",
    "runtimeclasses", "services", "endpointslices", "nodes").
    Exactly one of `object` (plain), `sealed` (encrypted to the node's key: secrets) is set, or neither when `removed`: the
    tombstone, the only message besides DesiredIndex that ends a pod.
    """

    resource: str
    namespace: str
    name: str
    object: Json | None = None
    sealed: bytes | None = None
    removed: bool = False


class IndexEntry(Message, frozen=True):
    """One object in an index: which it is and how new."""

    resource: str
    namespace: str
    name: str
    uid: str
    revision: int


class DesiredIndex(Message, frozen=True):
    """All objects that a reader must have in this epoch, complete. What it does not list is gone on purpose.

    Published per node (its pods, config maps, secrets) and once for the shared state (services, endpoint slices, nodes), after
    every (re)connect, hello and change of membership. The envelope's revision is the store revision that it describes; an
    object whose order is newer than the index is kept.
    """

    entries: list[IndexEntry]


class NodeOrder(Message, frozen=True):
    """What a node must know about itself and the cluster to run pods. Retained; signed; checkpointed."""

    pod_cidr: str
    cluster_cidr: str
    service_cidr: str
    cluster_dns: str
    cluster_domain: str
    node_port_first: int = 30000
    node_port_last: int = 32767
    heartbeat_seconds: float = 4.0


class StreamOpen(Message, frozen=True):
    """Open a stream into a pod or node. `id` names the stream's two topics.

    kind: "logs", "exec", "attach", "portforward", "podproxy", "nodeproxy" or "metrics". `options` are that kind's (see
    agent.kubelet.streams.pod_streams).
    `credit` is how many bytes the agent may send before it waits for StreamCredit. `run` is the `run` that the agent said
    last, and `number` grows with each stream to a node: what a broker recorded opens nothing, neither later nor after the
    agent has started again.
    """

    id: str
    kind: str
    namespace: str = ""
    pod: str = ""
    uid: str = ""
    container: str = ""
    options: Json = {}
    credit: int = 1 << 20
    run: str = ""
    number: int = 0


# ── both ways: stream frames ─────────────────────────────────────────────────────────────────────────────────────────


class StreamFrame(Message, frozen=True):
    """One piece of a stream. `sequence` counts from 0 in each direction: a gap or repeat is seen.

    channel: as Kubernetes' remote command protocol (0 stdin, 1 stdout, 2 stderr, 3 error/status, 4 resize); logs use 1.
    """

    sequence: int
    channel: int
    data: bytes = b""
    #: True: this direction of this channel is closed (stdin at end of file).
    eof: bool = False


class StreamCredit(Message, frozen=True):
    """The reader took `bytes` more; the writer may send as many again."""

    bytes: Annotated[int, msgspec.Meta(ge=0)]


class StreamClose(Message, frozen=True):
    """The stream ends. `error` is empty when it ended well; `code` is an HTTP code that fits the error."""

    error: str = ""
    code: int = 0


# ── up: what nodes observe ───────────────────────────────────────────────────────────────────────────────────────────


class InventoryEntry(Message, frozen=True):
    """An object that the node has accepted, and how new."""

    resource: str
    namespace: str
    name: str
    uid: str
    epoch: int
    revision: int


class Hello(Message, frozen=True):
    """Sent after each connect and each new leader: what the node is and has. The master answers by republishing."""

    #: Kubernetes Node object as the node knows itself: labels, addresses, capacity, nodeInfo, no spec.
    node: Json
    #: Public X25519 key (32 bytes) that secrets for this node are sealed to.
    sealing_key: bytes
    boot_id: str
    agent_version: str
    inventory: list[InventoryEntry] = []
    #: Random, another one for each start of the agent.
    run: str = ""


class Heartbeat(Message, frozen=True):
    """The node lives. `sequence` counts within one run of the agent, `run` is the Hello's."""

    sequence: int
    run: str = ""


class Offline(Message, frozen=True):
    """The Last Will: the broker publishes it when the agent's session breaks. `orderly` when the agent said goodbye itself."""

    orderly: bool = False


class NodeStatusReport(Message, frozen=True):
    """The node's status (conditions, capacity, images) as the API shows it; sent on change."""

    status: Json


class PodStatusReport(Message, frozen=True):
    """A pod's status. `terminated`: all its containers have ended and are cleaned up after a deletion: the pod may go."""

    namespace: str
    name: str
    uid: str
    status: Json
    terminated: bool = False


class MirrorPodReport(Message, frozen=True):
    """A node's wish for one of its static pods: that the API has this mirror pod (`object`), or no longer has it (`uid`).

    The master does it as the node itself, so that NodeRestriction judges it. Making one that is there, and removing one that
    is gone, changes nothing; an old wish is undone by the next, since nodes compare with what they are ordered.
    """

    namespace: str
    name: str
    object: Json | None = None
    uid: str = ""


class EventReport(Message, frozen=True):
    """A core/v1 Event without name: the master names, counts and stores it."""

    event: Json


MESSAGES: dict[str, type[Message]] = {
    kind.__name__: kind
    for kind in (
        Leader, ObjectOrder, DesiredIndex, NodeOrder, StreamOpen, StreamFrame, StreamCredit, StreamClose,
        Hello, Heartbeat, Offline, NodeStatusReport, PodStatusReport, MirrorPodReport,
        EventReport,
    )
}  # fmt: skip


def encode(message: Message, *, epoch: int = 0, revision: int = 0, uid: str = "") -> Envelope:
    """Wrap a message in an unsigned envelope."""
    body: bytes = msgpack.packb(msgspec.to_builtins(message, builtin_types=(bytes,)))
    return Envelope(type(message).__name__, epoch, revision, uid, body)


def decode(envelope: Envelope) -> Message:
    """The message inside an envelope. Raises MalformedMessage naming the field that is wrong."""
    kind = MESSAGES.get(envelope.kind)
    if kind is None:
        raise MalformedMessage(f"unknown message kind {envelope.kind!r}")
    try:
        return msgspec.convert(unpack_value(envelope.body), kind, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise MalformedMessage(f"{envelope.kind}: {error}") from error
