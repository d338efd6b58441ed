"""What a node says of its usage when the master asks: the one answer on a stream of kind "metrics" (see `proto.stream`).

On demand alone, so that a node at rest sends nothing; small, as lists without names. CPU in nanocores over `window` seconds
that ended at `time` (seconds since the epoch), memory as working set in bytes.
"""

import msgspec

#: The kind of the stream. It has no pod and no options; the answer comes in frames of channel 1.
STREAM_KIND = "metrics"
CHANNEL = 1
#: Of a whole answer, in bytes: more than a node's pods can fill.
MAX_BYTES = 4 << 20


class MalformedMetrics(ValueError):
    """Bytes that are no answer."""


class ContainerUsage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    name: str
    cpu: int
    memory: int


class PodUsage(msgspec.Struct, frozen=True, array_like=True):
    """`containers`: those that run and whose usage is known."""

    uid: str
    time: float
    window: float
    containers: list[ContainerUsage]


class NodeUsage(msgspec.Struct, frozen=True, array_like=True):
    time: float
    window: float
    cpu: int
    memory: int
    pods: list[PodUsage]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(NodeUsage)


def encode(usage: NodeUsage) -> bytes:
    return _encoder.encode(usage)


def decode(data: bytes) -> NodeUsage:
    """Raises MalformedMetrics."""
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise MalformedMetrics(f"no metrics of a node: {error}") from error
