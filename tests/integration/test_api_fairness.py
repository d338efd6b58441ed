"""Fairness between users, on a real server: a user that floods it does not starve another."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from master.api.settings import ApiSettings
from tests.integration.api_world import CERTIFICATE, ApiWorld, api_world

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


FLOOD = Path(__file__).with_name("flood.py")


class Load:
    """A process of `flood.py`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def window(self) -> tuple[int, float, float]:
        """Since the last: how many requests were answered, their median and 99th percentile in seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"next\n")
        await self._process.stdin.drain()
        answered, median, p99 = (await self._process.stdout.readline()).split()
        return int(answered), float(median), float(p99)


@asynccontextmanager
async def load(world: ApiWorld, user: str, *, connections: int, pause: float) -> AsyncIterator[Load]:
    arguments = (world.server.port, world.user(user) / CERTIFICATE, connections, pause)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(FLOOD),
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(40):
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
            yield Load(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_flooding_user_does_not_delay_a_quiet_one(tmp_path: Path) -> None:
    async with (
        api_world(tmp_path) as world,
        load(world, "flood", connections=400, pause=0) as flood,
        load(world, "quiet", connections=1, pause=0.01) as quiet,
    ):
        # Served in the order of arrival, a quiet user waits as long as the flood does, and its worst requests longer.
        # Several windows: on a busy machine the processes themselves wait for their turn.
        seen = []
        for _ in range(4):
            await asyncio.sleep(1.5)
            _, _, p99 = await quiet.window()
            answered, median, _ = await flood.window()
            seen.append((p99, median))
            if p99 < median and answered > 500:
                break
        else:
            raise AssertionError(f"p99 of the quiet user and median of the flood, in seconds: {seen}")
        async with world.http(world.admin()) as admin, admin.get("/metrics") as response:
            text = await response.text()
        labels = 'flow_schema="global-default",priority_level="global-default"'
        assert f"apiserver_flowcontrol_dispatched_requests_total{{{labels}}}" in text
        assert 'apiserver_flowcontrol_request_wait_duration_seconds_count{priority_level="global-default"}' in text
        assert 'apiserver_flowcontrol_rejected_requests_total{priority_level="global-default",reason="queue-full"}' in text


async def hold(world: ApiWorld, name: str) -> asyncio.StreamWriter:
    """Begin a request and never send its body."""
    _, writer = await asyncio.open_connection("127.0.0.1", world.server.port, ssl=world.tls(world.user(name)))
    head = f"POST {REVIEWS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode())
    await writer.drain()
    await asyncio.sleep(0.1)
    return writer


async def test_who_waits_too_long_gets_429_and_masters_pass(tmp_path: Path) -> None:
    settings = ApiSettings(address="127.0.0.1", port=0, max_in_flight=1, queue_wait_seconds=0.2)
    async with api_world(tmp_path, settings=settings) as world:
        holder = await hold(world, "jane")
        async with world.http(world.user("joe")) as http, world.http(world.admin()) as admin:
            async with http.get("/apis") as response:
                assert response.status == 429
                assert response.headers["Retry-After"] == "1"
                body = await response.json()
                assert (body["kind"], body["reason"], body["message"]) == (
                    "Status",
                    "TooManyRequests",
                    "Too many requests, please try again later.",
                )
            async with http.get("/healthz") as response:
                assert response.status == 200
            async with admin.get("/api/v1/pods") as response:
                assert response.status == 200
            holder.close()
            await asyncio.sleep(0.1)
            async with http.get("/apis") as response:
                assert response.status == 200


async def test_a_watch_counts_only_until_it_begins(tmp_path: Path) -> None:
    settings = ApiSettings(address="127.0.0.1", port=0, max_in_flight=1, queue_wait_seconds=0.2, max_long_running=3)
    async with api_world(tmp_path, settings=settings) as world, world.http(world.admin()) as http:
        watches = [await http.get("/api/v1/pods?watch=true") for _ in range(3)]
        assert [watch.status for watch in watches] == [200] * 3
        async with http.get("/api/v1/pods?watch=true") as response:
            assert response.status == 429
        for watch in watches:
            watch.close()


async def test_a_user_who_opens_all_the_watches_he_can_leaves_a_place_for_the_next(tmp_path: Path) -> None:
    settings = ApiSettings(address="127.0.0.1", port=0, max_long_running=8)
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    role = {"metadata": {"name": "watch"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["watch"]}]}
    everybody = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:authenticated"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "watch"}
    async with (
        api_world(tmp_path, settings=settings) as world,
        world.http(world.admin()) as admin,
        world.http(world.user("joe")) as joe,
        world.http(world.user("sue")) as sue,
    ):
        for path, body in (
            ("clusterroles", role),
            ("clusterrolebindings", {"metadata": {"name": "watch"}, "subjects": [everybody], "roleRef": reference}),
        ):
            async with admin.post(f"{rbac}/{path}", json=body) as response:
                assert response.status == 201, await response.text()
        codes = {}
        watches = []
        for name, http in (("joe", joe), ("sue", sue), ("admin", admin)):
            opened = [await http.get("/api/v1/pods?watch=true") for _ in range(5)]
            codes[name] = [watch.status for watch in opened].count(200)
            assert {watch.status for watch in opened} <= {200, 429}
            watches += opened
        assert codes == {"joe": 4, "sue": 2, "admin": 2}
        for watch in watches:
            watch.close()
