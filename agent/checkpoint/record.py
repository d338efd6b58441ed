"""The bytes of one checkpoint file: magic, SHA-256 of the rest, then MessagePack [topic, payload].

Pure. The payload is the signed envelope exactly as it came, so a reader verifies the master's signature again and a sealed
secret stays sealed at rest. The checksum tells a damaged file (a dying SD card, a torn write) from a forged one.
"""

import hashlib
from dataclasses import dataclass

import msgpack

from proto.envelope import MalformedMessage, unpack_value

_MAGIC = b"WHERRY1\n"
_DIGEST = 32


class DamagedRecord(ValueError):
    """Bytes that are no whole checkpoint record; says what is wrong."""


@dataclass(frozen=True, slots=True)
class Record:
    """An order as it was received: the topic it came on and its signed envelope."""

    topic: str
    payload: bytes


def file_name(topic: str) -> str:
    """The name of a topic's file: topics are longer than file names may be."""
    return hashlib.sha256(topic.encode()).hexdigest()[:40] + ".order"


def encode(record: Record) -> bytes:
    body: bytes = msgpack.packb([record.topic, record.payload])
    return _MAGIC + hashlib.sha256(body).digest() + body


def decode(content: bytes) -> Record:
    """Raises DamagedRecord for anything that `encode` did not make."""
    start = len(_MAGIC) + _DIGEST
    if not content.startswith(_MAGIC) or len(content) < start:
        raise DamagedRecord("no checkpoint record, or cut off in its header")
    body = content[start:]
    if hashlib.sha256(body).digest() != content[len(_MAGIC) : start]:
        raise DamagedRecord("the checksum does not match the content")
    try:
        fields = unpack_value(body)
    except MalformedMessage as error:
        raise DamagedRecord(str(error)) from error
    match fields:
        case [str(topic), bytes(payload)]:
            return Record(topic, payload)
        case _:
            raise DamagedRecord("the record does not hold a topic and a payload")
