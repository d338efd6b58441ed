"""What a client may cost: half-sent heads, long lines and headers, idle connections, large bodies."""

import asyncio
import contextlib
from pathlib import Path

from master.api.settings import ApiSettings
from tests.integration.api_world import ApiWorld, api_world

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


async def connect(world: ApiWorld) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", world.server.port, ssl=world.tls(world.admin()))


async def is_closed(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Whether the server ends the connection within a time."""
    try:
        async with asyncio.timeout(seconds):
            while await reader.read(65536):
                pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


async def answer(reader: asyncio.StreamReader) -> str:
    """The status line of an answer with a body of known length, which is read too."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length"))
    await reader.readexactly(length)
    return head.splitlines()[0]


async def test_a_head_that_comes_too_slowly_ends_the_connection_and_an_idle_one_stays(tmp_path: Path) -> None:
    settings = ApiSettings(address="127.0.0.1", port=0, header_timeout_seconds=0.5)
    async with api_world(tmp_path, settings=settings) as world:
        silent, _silent = await connect(world)
        slow, drops = await connect(world)
        idle, kept = await connect(world)
        kept.write(GET + b"\r\n")
        assert "200 OK" in await answer(idle)

        async def drip() -> None:
            with contextlib.suppress(ConnectionError):
                for byte in GET:
                    drops.write(bytes([byte]))
                    await drops.drain()
                    await asyncio.sleep(0.1)

        async with asyncio.TaskGroup() as tasks:
            dripping = tasks.create_task(drip())
            assert await is_closed(slow, 2), "a byte now and then keeps no connection open"
            assert await is_closed(silent, 2), "nor does saying nothing"
            dripping.cancel()
        await asyncio.sleep(1.0)
        kept.write(GET + b"\r\n")
        assert "200 OK" in await answer(idle), "an idle connection outlives the time-out of heads"
        kept.write(GET)
        assert await is_closed(idle, 2), "its next head has the same time-out"


async def test_the_longest_idle_connection_makes_room_for_a_new_one(tmp_path: Path) -> None:
    settings = ApiSettings(address="127.0.0.1", port=0, max_connections=3)
    async with api_world(tmp_path, settings=settings) as world:
        connections = []
        for _ in range(3):
            reader, writer = await connect(world)
            writer.write(GET + b"\r\n")
            assert "200 OK" in await answer(reader)
            connections.append((reader, writer))
        reader, writer = await connect(world)
        writer.write(GET + b"\r\n")
        assert "200 OK" in await answer(reader)
        assert await is_closed(connections[0][0], 1)
        for kept_reader, kept in connections[1:]:
            kept.write(GET + b"\r\n")
            assert "200 OK" in await answer(kept_reader)


async def test_long_lines_and_headers_are_served_to_a_bound_and_then_refused(tmp_path: Path) -> None:
    async with api_world(tmp_path) as world:
        cases = [
            (
                b"GET /api/v1/pods?labelSelector=a%3D" + b"x" * 60 + b"&x=" + b"y" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                "200",
            ),
            (b"GET /healthz?" + b"y" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", "431"),
            (GET + b"X-A: " + b"y" * 20_000 + b"\r\n\r\n", "200"),
            (GET + b"X-A: " + b"y" * 40_000 + b"\r\n\r\n", "431"),
            (b"\x00\x01nonsense\r\n\r\n", "400"),
        ]
        for request, code in cases:
            reader, writer = await connect(world)
            writer.write(request)
            line = await answer(reader)
            assert line.split()[1] == code, (line, request[:40])
            writer.close()


async def test_a_body_that_is_too_large_or_too_late_is_refused(tmp_path: Path) -> None:
    settings = ApiSettings(address="127.0.0.1", port=0, max_body_bytes=1000, body_timeout_seconds=0.3)
    path = "/api/v1/namespaces/default/configmaps"
    async with api_world(tmp_path, settings=settings) as world:
        headers = {"Content-Type": "application/json"}
        async with world.http(world.admin()) as http, http.post(path, data=b"x" * 2000, headers=headers) as response:
            assert response.status == 413
            assert (await response.json())["reason"] == "RequestEntityTooLarge"
        reader, writer = await connect(world)
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
        assert (await answer(reader)).split()[1] == "408"
        writer.close()


async def test_a_long_yaml_body_keeps_nobody_waiting(tmp_path: Path) -> None:
    # 200 kB of this took three seconds, in which nobody was answered.
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: long}\ndata: [" + b"1," * 100_000 + b"1]"
    async with api_world(tmp_path) as world, world.http(world.admin(), {"Content-Type": "application/yaml"}) as http:
        longest, ended = 0.0, False

        async def watch_the_loop() -> None:
            nonlocal longest
            loop = asyncio.get_running_loop()
            while not ended:
                began = loop.time()
                await asyncio.sleep(0.005)
                longest = max(longest, loop.time() - began)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch_the_loop())
            for method, path in (("POST", ""), ("PATCH", "/long?fieldManager=t")):
                headers = {"Content-Type": "application/apply-patch+yaml"} if method == "PATCH" else {}
                url = f"/api/v1/namespaces/default/configmaps{path}"
                async with http.request(method, url, data=body, headers=headers) as response:
                    assert response.status in (400, 422), await response.text()
            ended = True
        assert longest < 1
