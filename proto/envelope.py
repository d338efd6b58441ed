"""The versioned MessagePack envelope around every message on the wire.

Layout, an array: [wire version, kind, epoch, revision, uid, body, signature]. `body` is the MessagePack encoding of one
message of `proto.messages`. The signature (Ed25519, 64 bytes, or empty) covers the topic and everything before it, so an order
recorded on one topic cannot be replayed on another.

Called by `master.fleet` and `agent.link`; knows nothing of MQTT.
"""

from dataclasses import dataclass, replace
from typing import Any

import msgpack

from proto.version import WIRE_VERSION

#: Largest accepted envelope in bytes: a ConfigMap or Secret may hold 1 MiB of data (Kubernetes' limit), plus its frame.
MAX_ENVELOPE_BYTES = 4 * 1024 * 1024


class MalformedMessage(ValueError):
    """A payload that is not a well-formed message of this wire version; says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message and what orders it.

    `epoch` counts leaders: a receiver ignores what an older leader says. `revision` is the object's resourceVersion (0 where
    there is none). `uid` is the object's uid (empty where there is none).
    """

    kind: str
    epoch: int
    revision: int
    uid: str
    body: bytes
    signature: bytes = b""

    def signed_bytes(self, topic: str) -> bytes:
        """The bytes that the signature covers when the envelope is published on `topic`."""
        packed: bytes = msgpack.packb([topic, WIRE_VERSION, self.kind, self.epoch, self.revision, self.uid, self.body])
        return packed

    def with_signature(self, signature: bytes) -> "Envelope":
        return replace(self, signature=signature)

    def pack(self) -> bytes:
        packed: bytes = msgpack.packb(
            [WIRE_VERSION, self.kind, self.epoch, self.revision, self.uid, self.body, self.signature]
        )
        return packed

    @classmethod
    def unpack(cls, payload: bytes) -> "Envelope":
        """Decode a payload. Raises MalformedMessage for anything that `pack` would not have produced."""
        fields = unpack_value(payload)
        if not isinstance(fields, list) or not fields:
            raise MalformedMessage("the envelope is not an array")
        if type(fields[0]) is not int or fields[0] != WIRE_VERSION:  # True and 1.0 equal 1 in Python
            raise MalformedMessage(f"wire version {fields[0]!r} is not {WIRE_VERSION}")
        if len(fields) != 7:
            raise MalformedMessage(f"the envelope has {len(fields)} fields, not 7")
        _, kind, epoch, revision, uid, body, signature = fields
        if not (isinstance(kind, str) and isinstance(uid, str)):
            raise MalformedMessage("kind and uid must be strings")
        for name, number in (("epoch", epoch), ("revision", revision)):
            if not isinstance(number, int) or isinstance(number, bool) or number < 0:
                raise MalformedMessage(f"{name} must be a non-negative integer")
        if not (isinstance(body, bytes) and isinstance(signature, bytes)):
            raise MalformedMessage("body and signature must be bytes")
        return cls(kind, epoch, revision, uid, body, signature)


def unpack_value(payload: bytes) -> Any:
    """Decode one MessagePack value, with Kubernetes-sized limits. Raises MalformedMessage."""
    if len(payload) > MAX_ENVELOPE_BYTES:
        raise MalformedMessage(f"{len(payload)} bytes exceed the limit of {MAX_ENVELOPE_BYTES}")
    try:
        return msgpack.unpackb(payload, raw=False, strict_map_key=True)
    except (ValueError, TypeError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise MalformedMessage(f"not MessagePack: {error}") from error
