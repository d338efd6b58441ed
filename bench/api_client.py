"""Clients for benchmarks, with the administrator's certificate: a lean one for requests, aiohttp for watches.

The clients share the machine's cores with the master: what they take, it lacks. The lean one parses nothing but status and
length of an answer and takes a quarter of what aiohttp's takes, as kube-apiserver's anchors were measured with a lean one too.
"""

import asyncio
import base64
import ssl
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import yaml
from aiohttp import ClientSession, TCPConnector

_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API is, and how to prove who asks."""

    server: str
    context: ssl.SSLContext

    @property
    def port(self) -> int:
        return int(self.server.rpartition(":")[2])


def access(kubeconfig: Path, folder: Path) -> Access:
    """As the kubeconfig says; the certificate is written into the folder."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    certificate, key = folder / "bench.crt", folder / "bench.key"
    certificate.write_bytes(base64.b64decode(user["client-certificate-data"]))
    key.write_bytes(base64.b64decode(user["client-key-data"]))
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    context.load_cert_chain(certificate, key)
    return Access(cluster["server"], context)


def watching_session(to: Access, *, connections: int) -> ClientSession:
    """A session for watches. The caller closes it."""
    return ClientSession(connector=TCPConnector(ssl=to.context, limit=connections))


class Connection(asyncio.Protocol):
    """One connection, one request at a time. A body is kept when it is asked for; otherwise only its bytes are counted."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[int] | None = None
        self._status = 0
        self._head = b""
        self._missing = 0
        self._chunked = False
        self._tail = b""
        self._keep = False
        self._parts: list[bytes] = []
        self.size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's TLS transport is one, but does not inherit from it.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"the master closed the connection: {exc}"))

    async def request(self, head_and_body: bytes, *, keep: bool = False) -> int:
        """The status of the answer; `size` and, if kept, `body` are its own until the next request."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._head, self._parts, self._keep, self.size, self._status = b"", [], keep, 0, 0
        self._transport.write(head_and_body)
        return await self._answer

    @property
    def body(self) -> bytes:
        return b"".join(self._parts)

    def data_received(self, data: bytes) -> None:
        if not self._status:
            data = self._begin(data)
            if not self._status:
                return
        self.size += len(data)
        if self._keep or self._status >= 400:
            self._parts.append(data)
        if self._chunked:
            self._tail = (self._tail + data)[-len(_LAST_CHUNK) :]
            ended = self._tail == _LAST_CHUNK
        else:
            self._missing -= len(data)
            ended = self._missing <= 0
        if ended:
            assert self._answer is not None
            self._answer.set_result(self._status)

    def _begin(self, data: bytes) -> bytes:
        """Read the head once it is whole; what came behind it."""
        self._head += data
        head, end, rest = self._head.partition(_HEAD_END)
        if not end:
            return b""
        fields = head.lower()
        _, found, length = fields.partition(b"\r\ncontent-length:")
        self._chunked, self._tail = not found, b""
        self._missing = int(length.partition(b"\r\n")[0]) if found else 0
        self._status = int(head[9:12])
        return rest

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Pool:
    """As many connections as there are requests at once. A context manager."""

    def __init__(self, to: Access) -> None:
        self._access = to
        self._free: list[Connection] = []
        self._all: list[Connection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._all:
            connection.close()

    async def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        content_type: str = "application/json",
        expected: int,
        keep: bool = False,
    ) -> Connection:
        """The connection with the answer, which is free again."""
        connection = self._free.pop() if self._free else await self._open()
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench/1\r\nAccept: application/json\r\n"
        if body:
            head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        status = await connection.request(f"{head}\r\n".encode() + body, keep=keep)
        assert status == expected, (status, connection.body)
        self._free.append(connection)
        return connection

    async def _open(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, "127.0.0.1", self._access.port, ssl=self._access.context)
        self._all.append(connection)
        return connection
