"""Load on a Service from a host, with every answer accounted for: who answered, what failed and why."""

import asyncio
import socket
import struct
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.hosts import Host


@dataclass(slots=True)
class Answers:
    """What came back: answers by body, and failures by what went wrong."""

    bodies: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.bodies.values()) + len(self.failures)


async def get(host: Host, address: str, port: int, path: str = "/", *, timeout: float = 5.0) -> str:
    """One HTTP GET on a new connection from `host`; the body. Raises OSError, TimeoutError or ValueError."""
    async with asyncio.timeout(timeout):
        connection = host.socket()
        try:
            await asyncio.get_running_loop().sock_connect(connection, (address, port))
            reader, writer = await asyncio.open_connection(sock=connection)
        except BaseException:
            connection.close()
            raise
        # Reset at the end: a server's TIME-WAIT would refuse the same node address and port when another host's connection is
        # masqueraded to them (their TCP timestamps differ), and the repeated SYN would be balanced a second time.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            writer.write(f"GET {path} HTTP/1.0\r\nHost: test\r\n\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        if not head.startswith((b"HTTP/1.0 200", b"HTTP/1.1 200")):
            raise ValueError(f"answered {head[:60]!r}")
        return body.decode().strip()


async def requests(host: Host, address: str, port: int, count: int, *, path: str = "/", at_once: int = 16) -> Answers:
    """`count` requests, each on a new connection, `at_once` in flight."""
    answers = Answers()
    remaining = iter(range(count))

    async def client() -> None:
        for _ in remaining:
            await _one(host, address, port, path, answers)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(client())
    return answers


class ConstantLoad:
    """New connections at a constant rate until the block is left; late answers do not slow the rate down."""

    def __init__(self, host: Host, address: str, port: int, *, rate: float, path: str = "/") -> None:
        self._target = (host, address, port, path)
        self._period = 1 / rate
        self.answers = Answers()

    async def __aenter__(self) -> "ConstantLoad":
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        self._driver = self._tasks.create_task(self._drive())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._driver.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def _drive(self) -> None:
        due = time.monotonic()
        while True:
            self._tasks.create_task(_one(*self._target, self.answers))
            due += self._period
            await asyncio.sleep(max(0.0, due - time.monotonic()))


async def _one(host: Host, address: str, port: int, path: str, answers: Answers) -> None:
    try:
        answers.bodies[await get(host, address, port, path)] += 1
    except (OSError, ValueError, TimeoutError) as error:
        answers.failures.append(f"{time.strftime('%H:%M:%S')} {type(error).__name__}: {error}")
