"""A socket in front of a Docker engine that can hang or answer 500 for chosen requests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

#: What becomes of a request ("POST /v1.41/containers/create?name=x"): None: it goes through.
Fault = Callable[[str], "str | None"]
HANG = "hang"
FAIL = "fail"

_FAILURE = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: 31\r\nConnection: close\r\n\r\n"
    b'{"message":"the engine is ill"}'
)


class FaultyEngine:
    def __init__(self, engine: Path) -> None:
        self._engine = engine
        self.fault: Fault = lambda request: None
        self._healed = asyncio.Event()
        self._serving: set[asyncio.Task[None]] = set()
        #: Requests that were made to hang.
        self.hanging: list[str] = []

    def heal(self) -> None:
        """Let everything through; what hangs is answered by a closed connection."""
        self.fault = lambda request: None
        self._healed.set()
        self._healed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request per connection, so that each can be judged."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._serving.discard(task)
            writer.close()

    async def end(self) -> None:
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        request = head.split(b" HTTP/")[0].decode()
        match self.fault(request):
            case "hang":
                self.hanging.append(request)
                await self._healed.wait()
            case "fail":
                writer.write(_FAILURE)
                await writer.drain()
            case _:
                await self._through(head, reader, writer)

    async def _through(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._engine)
        if b"upgrade" not in head.lower():
            lines = [line for line in head.split(b"\r\n")[:-2] if not line.lower().startswith(b"connection:")]
            head = b"\r\n".join([*lines, b"Connection: close", b"", b""])
        far_writer.write(head)
        try:
            async with asyncio.TaskGroup() as group:
                forth = group.create_task(_pipe(reader, far_writer))
                await _pipe(far_reader, writer)
                forth.cancel()
        finally:
            far_writer.close()


async def _pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(64 * 1024):
            target.write(piece)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()


@asynccontextmanager
async def faulty_engine(socket: Path, engine: Path) -> AsyncIterator[FaultyEngine]:
    """socket: where it listens; engine: the real one's socket."""
    made = FaultyEngine(engine)
    server = await asyncio.start_unix_server(made.serve, socket)
    try:
        yield made
    finally:
        server.close()
        await made.end()
