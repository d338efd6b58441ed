"""Orders as a master makes them, for the receiver's tests: signed payloads and a receiver over a checkpoint in a folder."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from agent.checkpoint.checkpoint import Checkpoint
from agent.desired import DesiredState
from agent.link.receiver import NodeIdentity, Receiver
from agent.link.rejections import Rejections
from proto import sealing
from proto.delivery import Delivery
from proto.messages import DesiredIndex, IndexEntry, Leader, Message, ObjectOrder, encode
from proto.sealing import seal_object
from proto.signing import Signer, Verifier
from proto.topics import Topics

NODE = "n1"
TOPICS = Topics("test")
SIGNER = Signer(bytes(range(32)))
SEALING_KEY = sealing.generate_key()
SHARED_RESOURCES = ("services", "endpointslices", "nodes")


def topic_of(resource: str, name: str) -> str:
    """`name`: a pod's uid."""
    namespace = "" if resource == "nodes" else "default"
    if resource in SHARED_RESOURCES:
        return TOPICS.shared_object(resource, namespace, name)
    return TOPICS.node_object(NODE, resource, namespace, name)


def signed(topic: str, message: Message, epoch: int, revision: int, *, uid: str = "", retained: bool = False) -> Delivery:
    return Delivery(topic, SIGNER.sign(encode(message, epoch=epoch, revision=revision, uid=uid), topic).pack(), retained)


def manifest(resource: str, name: str, uid: str, mark: str = "") -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "uid": uid, "labels": {"mark": mark}}
    if resource != "nodes":
        metadata["namespace"] = "default"
    extra: dict[str, Any] = {"endpointslices": {"addressType": "IPv4", "endpoints": []}, "pods": {"spec": {"containers": []}}}
    return {"metadata": metadata, **extra.get(resource, {})}


def order(
    resource: str, name: str, epoch: int, revision: int, *, mark: str | None = None, retained: bool = False, seal: bool = False
) -> Delivery:
    """An order for an object whose uid is its name; `mark` (default: the revision) is its content."""
    topic = topic_of(resource, name)
    value = manifest(resource, name, name, mark if mark is not None else str(revision))
    message = ObjectOrder(
        resource=resource,
        namespace="" if resource == "nodes" else "default",
        name=name,
        object=None if seal else value,
        sealed=seal_object(value, sealing.public_key(SEALING_KEY), topic) if seal else None,
    )
    return signed(topic, message, epoch, revision, uid=name, retained=retained)


def tombstone(resource: str, name: str, epoch: int, revision: int) -> Delivery:
    message = ObjectOrder(resource=resource, namespace="" if resource == "nodes" else "default", name=name, removed=True)
    return signed(topic_of(resource, name), message, epoch, revision, uid=name)


def index(
    entries: Iterable[tuple[str, str, int]], epoch: int, revision: int, *, shared: bool = False, retained: bool = False
) -> Delivery:
    """`entries`: (resource, name, revision)."""
    message = DesiredIndex(
        entries=[
            IndexEntry(
                resource=resource, namespace="" if resource == "nodes" else "default", name=name, uid=name, revision=newest
            )
            for resource, name, newest in entries
        ]
    )
    topic = TOPICS.shared_index if shared else TOPICS.node_index(NODE)
    return signed(topic, message, epoch, revision, retained=retained)


def tokens(pod: str, epoch: int, revision: int, *, mark: str | None = None) -> Delivery:
    """A pod's tokens: sealed, without a namespace, named by the pod's uid."""
    topic = TOPICS.node_object(NODE, "secrets", "", pod)
    value = {"metadata": {"name": pod, "uid": pod, "labels": {"mark": mark if mark is not None else str(revision)}}}
    sealed = seal_object(value, sealing.public_key(SEALING_KEY), topic)
    message = ObjectOrder(resource="secrets", namespace="", name=pod, sealed=sealed)
    return signed(topic, message, epoch, revision, uid=pod)


def index_with_tokens(pod: str, epoch: int, revision: int, *, newest: int) -> Delivery:
    entry = IndexEntry(resource="secrets", namespace="", name=pod, uid=pod, revision=newest)
    return signed(TOPICS.node_index(NODE), DesiredIndex(entries=[entry]), epoch, revision)


def leader(epoch: int, *, retained: bool = False) -> Delivery:
    return signed(TOPICS.leader, Leader(identity=f"m{epoch}"), epoch, 0, retained=retained)


@dataclass
class Node:
    """A receiver and what it feeds."""

    receiver: Receiver
    desired: DesiredState
    checkpoint: Checkpoint
    rejections: Rejections
    damaged: tuple[str, ...]

    def mark(self, uid: str) -> str | None:
        """The content of a pod's newest order."""
        metadata = self.desired.pods[uid].metadata
        return (metadata.labels or {})["mark"] if metadata else None


@contextlib.asynccontextmanager
async def node_in(folder: Path, *, sealing_key: bytes = SEALING_KEY) -> AsyncIterator[Node]:
    desired, rejections = DesiredState(), Rejections(CollectorRegistry())
    identity = NodeIdentity(NODE, TOPICS, Verifier(SIGNER.public_key), sealing_key)
    async with Checkpoint(folder) as checkpoint:
        receiver = Receiver(identity=identity, desired=desired, checkpoint=checkpoint, rejections=rejections)
        yield Node(receiver, desired, checkpoint, rejections, await receiver.restore())
