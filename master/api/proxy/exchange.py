"""HTTP/1.1 as a client over a reader and a writer: one request, one answer. Strict in what it takes for an answer.

Source: RFC 9112. Whatever follows the answer is never read, so nothing that a target adds can be taken for another answer.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from multidict import CIMultiDict

_PIECE = 64 * 1024
_MAX_CHUNK_LINE = 1024
_MAX_TRAILER_BYTES = 64 * 1024
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class NotHttp(Exception):
    """What answers does not speak HTTP/1, or breaks off."""


@dataclass(frozen=True, slots=True)
class Head:
    status: int
    reason: str
    headers: CIMultiDict[str]


def request_head(method: str, path: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Names and values must not hold line ends: the server's parser has seen to that, and it is checked again here."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        raise ValueError("a line end in a header")
    return ("\r\n".join([*lines, "", ""])).encode("utf-8", "surrogateescape")


async def read_head(reader: asyncio.StreamReader) -> Head:
    """The answer's head; interim answers (1xx, but 101) are passed over. Raises NotHttp."""
    while True:
        try:
            block = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            raise NotHttp("EOF" if not error.partial else "unexpected EOF") from error
        except asyncio.LimitOverrunError as error:
            raise NotHttp("the answer's head is too long") from error
        except OSError as error:
            raise NotHttp(str(error)) from error
        head = _parse(block[:-4].decode("utf-8", "surrogateescape"))
        if head.status == 101 or head.status >= 200:
            return head


def _parse(text: str) -> Head:
    first, *lines = text.split("\r\n")
    version, _, rest = first.partition(" ")
    code, _, reason = rest.partition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0") or not (code.isascii() and code.isdigit() and len(code) == 3):
        raise NotHttp(f"malformed HTTP response {first[:64]!r}")
    headers: CIMultiDict[str] = CIMultiDict()
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or not set(name) <= _TOKEN or "\n" in value or "\r" in value or "\0" in value:
            raise NotHttp(f"malformed header line {line[:64]!r}")
        headers.add(name, value.strip(" \t"))
    return Head(int(code), reason, headers)


def body_length(method: str, head: Head) -> int | None:
    """Bytes of the body as announced; None: until its own end (`body`). Raises NotHttp."""
    if method == "HEAD" or head.status in (101, 204, 304):
        return 0
    if "Transfer-Encoding" in head.headers:
        codings = [text.strip().lower() for value in head.headers.getall("Transfer-Encoding") for text in value.split(",")]
        if codings != ["chunked"]:
            raise NotHttp(f"unsupported transfer encoding {', '.join(codings)[:64]!r}")
        return None
    lengths = {text.strip() for value in head.headers.getall("Content-Length", []) for text in value.split(",")}
    if not lengths:
        return None
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdigit() and len(length) < 19):
        raise NotHttp("bad Content-Length")
    return int(length)


async def body(reader: asyncio.StreamReader, method: str, head: Head) -> AsyncIterator[bytes]:
    """The body in pieces as they come. Raises NotHttp when it is cut off."""
    try:
        length = body_length(method, head)
        if length is not None:
            while length:
                piece = await reader.read(min(length, _PIECE))
                if not piece:
                    raise NotHttp("unexpected EOF")
                length -= len(piece)
                yield piece
        elif "Transfer-Encoding" in head.headers:
            async for piece in _chunks(reader):
                yield piece
        else:
            while piece := await reader.read(_PIECE):
                yield piece
    except OSError as error:
        raise NotHttp(str(error)) from error


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    try:
        while size := _chunk_size(await reader.readuntil(b"\r\n")):
            while size:
                piece = await reader.read(min(size, _PIECE))
                if not piece:
                    raise NotHttp("unexpected EOF")
                size -= len(piece)
                yield piece
            if await reader.readexactly(2) != b"\r\n":
                raise NotHttp("malformed chunked encoding")
        trailers = 0
        while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
            trailers += len(line)
            if trailers > _MAX_TRAILER_BYTES:
                raise NotHttp("the trailers are too long")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise NotHttp("unexpected EOF") from error


def _chunk_size(line: bytes) -> int:
    text = line[:-2].partition(b";")[0].strip(b" \t")
    if len(line) > _MAX_CHUNK_LINE or not text or len(text) > 15 or text.strip(b"0123456789abcdefABCDEF"):
        raise NotHttp("malformed chunked encoding")
    return int(text, 16)
