"""Renewed tokens are not written to disk each time: an idle node writes nothing, and its tokens are renewed every hour.

What is on disk is only read after a restart, and then an older token of the same pod serves: the API takes those that
admission mounts for a year, and the master, when it is in reach, sends the newest at once. So a pod's tokens are written when
they first come, and then once a day. Pure bookkeeping for `agent.link.receiver`.
"""

import time
from collections.abc import Callable

import msgspec

from agent.link.held import Held, digest
from proto.envelope import Envelope
from proto.messages import DesiredIndex
from proto.pod_tokens import are_pod_tokens

#: Seconds after which a renewed token is written again.
REWRITE_SECONDS = 24 * 3600.0


class Renewals:
    """When each token order was written or read last, by topic; bounded by the orders that are held."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._on_disk: dict[str, float] = {}

    def is_one(self, topic: str, envelope: Envelope, held: Held | None) -> bool:
        """Whether this order only renews tokens of which a copy is on disk that is young enough."""
        if held is None or held.uid != envelope.uid or not are_pod_tokens(held.topic.resource, held.topic.namespace):
            return False
        since = self._on_disk.get(topic)
        return since is not None and self._monotonic() - since < REWRITE_SECONDS

    def on_disk(self, topic: str, held: Held) -> None:
        """The order is on disk now."""
        if are_pod_tokens(held.topic.resource, held.topic.namespace):
            self._on_disk[topic] = self._monotonic()

    def forget(self, topic: str) -> None:
        self._on_disk.pop(topic, None)


def index_digest(message: DesiredIndex) -> bytes:
    """What of an index must be on disk: not how new the tokens in it are."""
    entries = [
        (entry.resource, entry.namespace, entry.name, entry.uid)
        if are_pod_tokens(entry.resource, entry.namespace)
        else (entry.resource, entry.namespace, entry.name, entry.uid, entry.revision)
        for entry in message.entries
    ]
    return digest(msgspec.msgpack.encode(entries))
