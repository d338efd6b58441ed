"""An answer may come in any pieces; what is no answer is named."""

import asyncio

import pytest

from agent.probes.http_exchange import MalformedResponse, Response, _Exchange


def parse(*pieces: bytes, closed: bool = True) -> Response | Exception | None:
    """What comes of these pieces; None while more is waited for."""
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        exchange = _Exchange(b"", loop.create_future())
        for piece in pieces:
            exchange.data_received(piece)
        if closed:
            exchange.connection_lost(None)
        if not exchange.answer.done():
            return None
        return exchange.answer.exception() or exchange.answer.result()  # type: ignore[return-value]


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.0 200\r\n\r\nhello",
    ],
)
def test_an_answer_is_the_same_in_any_pieces(raw: bytes) -> None:
    whole = Response(200, "", b"hello")
    assert parse(raw) == whole
    assert parse(*(raw[index : index + 1] for index in range(len(raw)))) == whole


def test_an_answer_is_over_with_its_length_or_last_chunk_not_with_the_connection() -> None:
    assert parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", closed=False) == Response(200, "", b"ok")
    assert parse(b"HTTP/1.1 204 No\r\n\r\n", closed=False) == Response(204, "", b"")
    assert parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", closed=False) == Response(200, "", b"")
    assert parse(b"HTTP/1.1 200 OK\r\n\r\nok", closed=False) is None


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "EOF"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "EOF"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", "unexpected EOF"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok", 'bad Content-Length "-1"'),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "malformed chunked encoding"),
        (b"HTTP/1.1 OK\r\n\r\n", 'net/http: HTTP/1.x transport connection broken: malformed HTTP response "HTTP/1.1 OK"'),
        (b"\x15\x03\x01", 'net/http: HTTP/1.x transport connection broken: malformed HTTP response "\\x15\\x03\\x01"'),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "net/http: server response headers exceeded 65536 bytes; aborted"),
    ],
)
def test_what_is_no_answer_is_named_as_go_does(raw: bytes, text: str) -> None:
    found = parse(raw)
    assert isinstance(found, MalformedResponse)
    assert str(found) == text
