"""A watch that is cut again and again sees each change once: list, watch from there, go on from the last revision seen.

The cuts come from a proxy between client and server that resets connections at random points, also in the middle of an event;
what a client library's reflector does is done by hand here, so that each revision can be accounted for.
"""

import asyncio
import json
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from master.client.protocol import DeleteOptions, ResourceRef
from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
RESOURCE = ResourceRef("", "v1", "configmaps")
RECONNECTS = 1000
_NAMES = 20
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


class ResettingProxy:
    """Passes bytes on both ways; each connection is reset after a random number of bytes of answers."""

    def __init__(self, port: int, rng: random.Random) -> None:
        self._port = port
        self._rng = rng
        self.resets = 0
        self.calm = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """The port that it listens on."""
        connections: set[asyncio.Task[Any]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            connections.add(task)
            try:
                await self._connection(reader, writer)
            finally:
                connections.discard(task)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in list(connections):
                task.cancel()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._port)
        # A TLS handshake is some 3 kB: cut during it, during the answer's head, or somewhere among the events.
        left = 10**9 if self.calm else self._rng.choice((1_000, 4_000, 6_000, 8_000, 12_000, 20_000))

        async def upwards() -> None:
            while data := await reader.read(65_536):
                up_writer.write(data)
                await up_writer.drain()

        try:
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(upwards())
                while left > 0 and (data := await up_reader.read(min(left, 16_384))):
                    left -= len(data)
                    writer.write(data)
                    await writer.drain()
                sending.cancel()
        except* (ConnectionError, OSError):
            pass
        finally:
            self.resets += 1
            for stream in (writer, up_writer):
                sock: socket.socket = stream.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                stream.transport.abort()


class Reflector:
    """Follows the collection from a revision; every event that it saw, and what it believes is there."""

    def __init__(self, url: str, world: ApiWorld) -> None:
        self._url = url
        self._tls = world.tls(world.admin())
        self.revision = 0
        self.events: list[tuple[int, str, str]] = []
        self.objects: dict[str, Json] = {}
        self.connects = 0

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            self.connects += 1
            try:
                async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self._tls, force_close=True)) as http:
                    await self._watch(http)
            except (aiohttp.ClientError, ConnectionError, OSError, asyncio.IncompleteReadError):
                continue

    async def _watch(self, http: aiohttp.ClientSession) -> None:
        query = f"watch=true&allowWatchBookmarks=true&resourceVersion={self.revision}"
        async with http.get(f"{self._url}{CONFIG_MAPS}?{query}") as response:
            assert response.status == 200, await response.text()
            async for line in response.content:
                if not line.endswith(b"\n"):
                    return  # cut in the middle of an event
                self._take(json.loads(line))

    def _take(self, event: Json) -> None:
        obj = event["object"]
        assert event["type"] != "ERROR", obj
        revision = int(obj["metadata"]["resourceVersion"])
        if event["type"] != "BOOKMARK":
            name = obj["metadata"]["name"]
            self.events.append((revision, event["type"], name))
            if event["type"] == "DELETED":
                del self.objects[name]
            else:
                self.objects[name] = obj
        self.revision = revision


async def _write(world: ApiWorld, rng: random.Random, written: list[tuple[int, str, str]], stop: asyncio.Event) -> None:
    """Create, change and delete until told to stop; what was acknowledged, by revision."""
    there: set[str] = set()
    number = 0
    while not stop.is_set():
        number += 1
        name = f"c{rng.randrange(_NAMES)}"
        if name not in there:
            raw = await world.registry.create(RESOURCE, "default", {"metadata": {"name": name}, "data": {"n": str(number)}})
            what = "ADDED"
            there.add(name)
        elif rng.random() < 0.3:
            await world.registry.delete(RESOURCE, "default", name, DeleteOptions())
            written.append((world.registry.revision, "DELETED", name))
            there.discard(name)
            await asyncio.sleep(0)
            continue
        else:
            patch = {"data": {"n": str(number), "filler": "x" * rng.randrange(400)}}
            raw = await world.registry.patch(RESOURCE, "default", name, "application/merge-patch+json", patch)
            what = "MODIFIED"
        written.append((int(json.loads(raw)["metadata"]["resourceVersion"]), what, name))
        await asyncio.sleep(0.002)


@pytest.mark.timeout(180)
async def test_no_event_is_lost_or_doubled_over_a_thousand_cuts(tmp_path: Path) -> None:
    rng = random.Random(20261124)
    async with api_world(tmp_path) as world:
        proxy = ResettingProxy(world.server.port, rng)
        written: list[tuple[int, str, str]] = []
        stop = asyncio.Event()
        async with proxy.running() as port, asyncio.TaskGroup() as tasks:
            start = world.registry.revision
            reflectors = [Reflector(f"https://127.0.0.1:{port}", world) for _ in range(4)]
            for reflector in reflectors:
                reflector.revision = start
            following = [tasks.create_task(reflector.follow()) for reflector in reflectors]
            writing = tasks.create_task(_write(world, rng, written, stop))
            while sum(reflector.connects for reflector in reflectors) < RECONNECTS:
                await asyncio.sleep(0.05)
            stop.set()
            await writing
            proxy.calm = True
            async with asyncio.timeout(20):
                while any(reflector.revision < written[-1][0] for reflector in reflectors):
                    await asyncio.sleep(0.05)
            for task in following:
                task.cancel()
        assert proxy.resets >= RECONNECTS * 0.9
        assert len(written) > 500
        for reflector in reflectors:
            assert reflector.events == written
        page = json.loads(await _text(world))
        now = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in page["items"]}
        for reflector in reflectors:
            assert {name: obj["metadata"]["resourceVersion"] for name, obj in reflector.objects.items()} == now


async def _text(world: ApiWorld) -> str:
    async with world.http(world.admin()) as http, http.get(CONFIG_MAPS) as response:
        return await response.text()
