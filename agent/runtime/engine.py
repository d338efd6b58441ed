"""Calls to a Docker engine: docker-py on bounded thread pools, and plain HTTP streams on the loop.

docker-py blocks, so its calls run on two small pools: one for calls that make the engine work (about four at once saturate
it; more only make each slower), one for quick ones (inspect, list, kill), which must not wait behind the former. A call that
hangs, as Docker's do when one container is stuck, gives its place to the next and ends by its time-out. Long
streams (events, logs, exec, attach) hold no thread: they speak HTTP to the engine's socket themselves, in HTTP/1.0 form, for
then the answer is bare bytes until the end, and a cancelled reader just closes the connection.

Works with API 1.41 and newer (each client takes the engine's own version);
connects anew after every failure, so an engine that restarts is found again.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import urlsplit

import docker
import docker.errors
import msgspec
import requests.exceptions

from agent.runtime import podman
from agent.runtime.errors import Conflict, ImageNotFound, NotFound, RuntimeFailure, RuntimeUnavailable
from agent.runtime.turns import Turns

#: How long one docker-py call may take, in seconds: longer than the slowest start on a loaded host.
CALL_TIMEOUT = 60
#: The same of a call that answers at once; the engine may be busy.
_QUICK_TIMEOUT = 20
_CONNECT_TIMEOUT = 10.0
_QUICK_TURNS = 4
#: A call that has not ended after so many seconds keeps nobody else waiting: it hangs, perhaps on its container alone.
_STALLED = 5.0
_SPARE = 4

P = ParamSpec("P")
R = TypeVar("R")


def translate(error: Exception) -> RuntimeFailure:
    """The house's error for one of docker-py's or of its transport."""
    if isinstance(error, docker.errors.ImageNotFound):
        return ImageNotFound(error.explanation or str(error))
    if isinstance(error, docker.errors.APIError):
        return for_status(error.status_code or 500, error.explanation or str(error), cause=_cause(error))
    if isinstance(error, docker.errors.DockerException | requests.exceptions.RequestException | OSError):
        return RuntimeUnavailable(f"the container engine cannot be reached: {error}")
    raise error


def for_status(status: int, message: str, *, cause: object = None) -> RuntimeFailure:
    """The house's error for an HTTP status of the engine and for the cause that it may name."""
    if (kind := podman.error_of(cause)) is not None:
        return kind(message)
    match status:
        case 404:
            return NotFound(message)
        case 409:
            return Conflict(message)
        case 503:
            return RuntimeUnavailable(message)
        case _:
            return RuntimeFailure(message)


def _cause(error: docker.errors.APIError) -> object:
    if error.response is None:
        return None
    try:
        return msgspec.json.decode(error.response.content)["cause"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return None


class _Pool:
    """Threads for one sort of calls: `turns` at once, and spare ones for calls that hang. timeout: seconds per call."""

    def __init__(self, name: str, *, turns: int, timeout: float) -> None:
        self.threads = ThreadPoolExecutor(turns * _SPARE, thread_name_prefix=name)
        self.turns = Turns(turns)
        self.timeout = timeout


class Engine:
    """One engine's socket. An async context manager: leaving it ends the pools."""

    def __init__(self, base_url: str, *, concurrency: int) -> None:
        self.base_url = base_url
        self._work = _Pool("engine-work", turns=concurrency, timeout=CALL_TIMEOUT)
        self._quick = _Pool("engine-quick", turns=_QUICK_TURNS, timeout=_QUICK_TIMEOUT)
        self._local = threading.local()
        self._clients: list[docker.APIClient] = []
        #: "docker" or "podman", once it has answered.
        self.name = ""

    async def __aenter__(self) -> "Engine":
        return self

    async def __aexit__(self, *exc: object) -> None:
        for pool in (self._work, self._quick):
            pool.threads.shutdown(wait=False, cancel_futures=True)
        for client in self._clients:
            client.close()

    async def work(self, call: Callable[Concatenate[docker.APIClient, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a call that makes or starts something."""
        return await self._run(self._work, call, *args, **kwargs)

    async def quick(self, call: Callable[Concatenate[docker.APIClient, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a call that answers at once."""
        return await self._run(self._quick, call, *args, **kwargs)

    async def _run(
        self, pool: "_Pool", call: Callable[Concatenate[docker.APIClient, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        def blocking() -> R:
            try:
                return call(self._client(pool.timeout), *args, **kwargs)
            except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
                raise translate(error) from error

        async with pool.turns.turn() as turn:
            stalled = asyncio.get_running_loop().call_later(_STALLED, turn.give_up)
            future = pool.threads.submit(blocking)
            wrapped = asyncio.wrap_future(future)
            try:
                return await asyncio.shield(wrapped)
            except asyncio.CancelledError:
                # A call that the engine has begun is let finish (it has a time-out), so that what it makes is seen afterwards.
                if not future.cancel():
                    await _settle(wrapped)
                raise
            finally:
                stalled.cancel()

    def _client(self, timeout: float) -> docker.APIClient:
        """docker-py's sessions are not safe to share between threads: one per thread."""
        client: docker.APIClient | None = getattr(self._local, "client", None)
        if client is None:
            self._knock()
            client = docker.APIClient(base_url=self.base_url, version="auto", timeout=timeout)  # type: ignore[arg-type]
            self.name = podman.engine_name(client.version())
            self._local.client = client
            self._clients.append(client)
        return client

    def _knock(self) -> None:
        """Raises OSError where nobody listens: docker-py would leave its socket open when it finds that out."""
        url = urlsplit(self.base_url)
        if url.scheme in ("unix", "http+unix"):
            with socket.socket(socket.AF_UNIX) as knocking:
                knocking.settimeout(_CONNECT_TIMEOUT)
                knocking.connect(url.path or f"/{url.netloc}")

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """A small request that is made often, on the loop: no thread, no docker-py. Its JSON answer; None without one."""
        connection = await self.open(method, path, body=None if body is None else msgspec.json.encode(body))
        try:
            answer = await connection.reader.read(-1)
        except OSError as error:
            raise RuntimeUnavailable(f"the container engine broke off: {error}") from error
        finally:
            connection.close()
        try:
            return msgspec.json.decode(answer) if answer else None
        except msgspec.DecodeError as error:
            raise RuntimeUnavailable("the container engine broke off") from error

    async def open(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] = {},
        upgrade: bool = False,
        patience: float | None = CALL_TIMEOUT,
    ) -> "Connection":
        """Send a request and read the answer's head. Raises as `translate`; the caller closes the connection.

        patience: how long the head may take, in seconds; None: the caller sees to it.
        """
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                reader, writer = await self._connect()
        except (OSError, TimeoutError) as error:
            raise RuntimeUnavailable(f"the container engine cannot be reached: {error}") from error
        connection = Connection(reader, writer)
        try:
            async with asyncio.timeout(patience):
                await connection.request(method, path, body=body, headers=headers, upgrade=upgrade)
        except TimeoutError as error:
            connection.close()
            raise RuntimeUnavailable(f"the container engine does not answer: {method} took {patience:g} s") from error
        except BaseException:
            connection.close()
            raise
        return connection

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        url = urlsplit(self.base_url)
        if url.scheme in ("unix", "http+unix"):
            return await asyncio.open_unix_connection(url.path or f"/{url.netloc}")
        return await asyncio.open_connection(url.hostname or "127.0.0.1", url.port or 2375)


async def _settle(future: "asyncio.Future[Any]") -> None:
    """Wait for a future whatever comes, even further cancellation."""
    while not future.done():
        with contextlib.suppress(asyncio.CancelledError, RuntimeFailure):
            await asyncio.wait([future])
    if not future.cancelled():
        future.exception()


class Connection:
    """One HTTP exchange whose body is a stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str], upgrade: bool) -> None:
        head = [f"{method} {path} HTTP/{'1.1' if upgrade else '1.0'}", "Host: docker"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        if upgrade:
            head += ["Connection: Upgrade", "Upgrade: tcp"]
        if body is not None:
            head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        try:
            self.writer.write("\r\n".join([*head, "", ""]).encode() + (body or b""))
            await self.writer.drain()
            status, length = await self._head()
            if status >= 400:
                message, cause = await self._error(length)
                raise for_status(status, message, cause=cause)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise RuntimeUnavailable(f"the container engine broke off: {error}") from error

    async def _head(self) -> tuple[int, int | None]:
        block = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = block.decode("latin-1").split("\r\n")
        length = None
        for line in lines:
            name, _, value = line.partition(":")
            if name.lower() == "content-length":
                length = int(value)
        try:
            return int(first.split()[1]), length
        except (IndexError, ValueError) as error:
            raise RuntimeUnavailable(f"the container engine does not speak HTTP: {first!r}") from error

    async def _error(self, length: int | None) -> tuple[str, object]:
        """The engine's words and the cause that it names."""
        raw = await (self.reader.readexactly(length) if length is not None else self.reader.read(64 * 1024))
        try:
            answer = msgspec.json.decode(raw)
            return str(answer["message"]), answer.get("cause")
        except (msgspec.DecodeError, KeyError, TypeError):
            return raw.decode("utf-8", "replace").strip(), None

    async def raw(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        try:
            while piece := await self.reader.read(64 * 1024):
                yield piece
        except OSError as error:
            raise RuntimeUnavailable(f"the container engine broke off: {error}") from error

    async def multiplexed(self) -> AsyncIterator[tuple[int, bytes]]:
        """The body as Docker's stream format: 8 bytes of header (channel, length), then the piece."""
        try:
            while True:
                try:
                    header = await self.reader.readexactly(8)
                except asyncio.IncompleteReadError as error:
                    if error.partial:
                        raise RuntimeUnavailable("the container engine broke off") from error
                    return
                remaining = int.from_bytes(header[4:], "big")
                while remaining:
                    piece = await self.reader.read(min(remaining, 64 * 1024))
                    if not piece:
                        return
                    remaining -= len(piece)
                    yield header[0] or 1, piece
        except OSError as error:
            raise RuntimeUnavailable(f"the container engine broke off: {error}") from error

    async def frames(self) -> AsyncIterator[tuple[int, bytes]]:
        """As `multiplexed`, each frame whole. For logs: a frame is one line, or at most 16 KiB of it."""
        try:
            while True:
                header = await self.reader.readexactly(8)
                yield header[0] or 1, await self.reader.readexactly(int.from_bytes(header[4:], "big"))
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise RuntimeUnavailable("the container engine broke off") from error
        except OSError as error:
            raise RuntimeUnavailable(f"the container engine broke off: {error}") from error

    def close(self) -> None:
        self.writer.close()
