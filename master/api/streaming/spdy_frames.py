"""SPDY/3.1 frames: encoding, decoding and header compression; pure.

Source: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/ (sections 2.2 and 2.6). Kubernetes' remote command
protocol uses SPDY without flow control, as its client library (spdystream) does, so windows are not kept here.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

VERSION = 3
FLAG_FIN = 0x01

#: Largest accepted frame payload in bytes; a client of ours sends at most 32 KiB of data in one.
MAX_FRAME_BYTES = 1 << 20
#: Largest accepted header block after decompression (a compression bomb is refused).
MAX_HEADER_BYTES = 64 * 1024

_DICTIONARY_WORDS = (
    "options", "head", "post", "put", "delete", "trace", "accept", "accept-charset", "accept-encoding",
    "accept-language", "accept-ranges", "age", "allow", "authorization", "cache-control", "connection",
    "content-base", "content-encoding", "content-language", "content-length", "content-location", "content-md5",
    "content-range", "content-type", "date", "etag", "expect", "expires", "from", "host", "if-match",
    "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "last-modified", "location",
    "max-forwards", "pragma", "proxy-authenticate", "proxy-authorization", "range", "referer", "retry-after",
    "server", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "vary", "via", "warning",
    "www-authenticate", "method", "get", "status", "200 OK", "version", "HTTP/1.1", "url", "public",
    "set-cookie", "keep-alive", "origin",
)  # fmt: skip
_DICTIONARY_TAIL = (
    b"100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    b"203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    b"403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    b"Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    b"chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    b"text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
#: The dictionary that section 2.6.10.1 prescribes: each word after its 32-bit length, then plain text.
DICTIONARY = b"".join(struct.pack(">I", len(word)) + word.encode() for word in _DICTIONARY_WORDS) + _DICTIONARY_TAIL


class ProtocolError(Exception):
    """Bytes that are not SPDY/3.1, or more than we accept; the session cannot go on."""


@dataclass(frozen=True, slots=True)
class SynStream:
    stream: int
    headers: Mapping[str, str]
    fin: bool = False


@dataclass(frozen=True, slots=True)
class SynReply:
    stream: int
    headers: Mapping[str, str]
    fin: bool = False


@dataclass(frozen=True, slots=True)
class RstStream:
    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Ping:
    id: int


@dataclass(frozen=True, slots=True)
class GoAway:
    last_stream: int
    status: int = 0


@dataclass(frozen=True, slots=True)
class Data:
    stream: int
    data: bytes
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Ignored:
    """A frame that needs no answer: SETTINGS, HEADERS, WINDOW_UPDATE."""

    type: int


Frame = SynStream | SynReply | RstStream | Ping | GoAway | Data | Ignored


class Encoder:
    """Frames to bytes. Holds the direction's compression state: frames must be sent in the order of encoding."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def encode(self, frame: Frame) -> bytes:
        match frame:
            case Data(stream, data, fin):
                return struct.pack(">II", stream, _flags(fin) << 24 | len(data)) + data
            case SynStream(stream, headers, fin):
                return _control(1, _flags(fin), struct.pack(">IIH", stream, 0, 0) + self._headers(headers))
            case SynReply(stream, headers, fin):
                return _control(2, _flags(fin), struct.pack(">I", stream) + self._headers(headers))
            case RstStream(stream, status):
                return _control(3, 0, struct.pack(">II", stream, status))
            case Ping(id):
                return _control(6, 0, struct.pack(">I", id))
            case GoAway(last_stream, status):
                return _control(7, 0, struct.pack(">II", last_stream, status))
            case Ignored(type):
                raise ValueError(f"frame type {type} is never sent")

    def _headers(self, headers: Mapping[str, str]) -> bytes:
        block = [struct.pack(">I", len(headers))]
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                block += [struct.pack(">I", len(text)), text]
        return self._deflate.compress(b"".join(block)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


class Decoder:
    """Bytes to frames, in any pieces. Raises ProtocolError."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> Iterator[Frame]:
        self._buffer += data
        while len(self._buffer) >= 8:
            first, second = struct.unpack_from(">II", self._buffer)
            length = second & 0xFFFFFF
            if length > MAX_FRAME_BYTES:
                raise ProtocolError(f"a frame of {length} bytes exceeds {MAX_FRAME_BYTES}")
            if len(self._buffer) < 8 + length:
                return
            payload = bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            yield self._frame(first, second >> 24, payload)

    def _frame(self, first: int, flags: int, payload: bytes) -> Frame:
        fin = bool(flags & FLAG_FIN)
        if not first & 0x80000000:
            return Data(first, payload, fin)
        if (first >> 16) & 0x7FFF != VERSION:
            raise ProtocolError(f"SPDY version {(first >> 16) & 0x7FFF} is not {VERSION}")
        try:
            match first & 0xFFFF:
                case 1:
                    (stream,) = struct.unpack_from(">I", payload)
                    return SynStream(stream & 0x7FFFFFFF, self._headers(payload[10:]), fin)
                case 2:
                    (stream,) = struct.unpack_from(">I", payload)
                    return SynReply(stream & 0x7FFFFFFF, self._headers(payload[4:]), fin)
                case 3:
                    stream, status = struct.unpack_from(">II", payload)
                    return RstStream(stream & 0x7FFFFFFF, status)
                case 6:
                    return Ping(struct.unpack_from(">I", payload)[0])
                case 7:
                    last, status = struct.unpack_from(">II", payload)
                    return GoAway(last & 0x7FFFFFFF, status)
                case 8:
                    self._headers(payload[4:])  # keeps the compression state in step
                    return Ignored(8)
                case other:
                    return Ignored(other)
        except struct.error as error:
            raise ProtocolError("a control frame is too short") from error

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._inflate.decompress(block, MAX_HEADER_BYTES)
        except zlib.error as error:
            raise ProtocolError("a header block is not compressed as SPDY/3.1 compresses") from error
        if self._inflate.unconsumed_tail:
            raise ProtocolError(f"a header block exceeds {MAX_HEADER_BYTES} bytes")
        headers: dict[str, str] = {}
        try:
            (count,) = struct.unpack_from(">I", plain)
            at = 4
            for _ in range(count):
                name, at = _text(plain, at)
                value, at = _text(plain, at)
                headers[name] = value
        except (struct.error, UnicodeDecodeError) as error:
            raise ProtocolError("a header block is malformed") from error
        return headers


def _text(block: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">I", block, at)
    end = at + 4 + length
    if end > len(block):
        raise struct.error("text runs past the block")
    return block[at + 4 : end].decode(), end


def _flags(fin: bool) -> int:
    return FLAG_FIN if fin else 0


def _control(type_: int, flags: int, payload: bytes) -> bytes:
    return struct.pack(">HHI", 0x8000 | VERSION, type_, flags << 24 | len(payload)) + payload
