"""Watches over real TLS: what arrives, in which form, and how a watch ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from master.api.settings import ApiSettings
from master.client.protocol import ResourceRef
from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    settings = ApiSettings(address="127.0.0.1", port=0, bookmark_seconds=0.3)
    async with api_world(tmp_path, settings=settings) as running:
        yield running


@pytest.fixture
async def http(world: ApiWorld) -> AsyncIterator[aiohttp.ClientSession]:
    async with world.http(world.admin()) as session:
        yield session


class Events:
    """The events of one watch."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def next(self) -> Json:
        async with asyncio.timeout(5):
            line = await self._response.content.readline()
        assert line, "the watch ended"
        event: Json = json.loads(line)
        return event

    async def names(self, count: int) -> list[tuple[str, str]]:
        found = [await self.next() for _ in range(count)]
        return [(event["type"], event["object"]["metadata"]["name"]) for event in found]

    async def ended(self) -> bool:
        async with asyncio.timeout(5):
            return await self._response.content.readline() == b""


@asynccontextmanager
async def watch(
    http: aiohttp.ClientSession, query: str, path: str = CONFIG_MAPS, accept: str = "application/json"
) -> AsyncIterator[Events]:
    async with http.get(f"{path}?watch=true&{query}", headers={"Accept": accept}) as response:
        assert response.status == 200, await response.text()
        yield Events(response)


async def create(http: aiohttp.ClientSession, name: str, **metadata: Any) -> Json:
    async with http.post(CONFIG_MAPS, json={"metadata": {"name": name, **metadata}}) as response:
        got: Json = await response.json()
        assert response.status == 201, got
        return got


async def revision(http: aiohttp.ClientSession) -> str:
    async with http.get(CONFIG_MAPS) as response:
        found: str = (await response.json())["metadata"]["resourceVersion"]
        return found


async def test_changes_after_a_revision_arrive_in_order(http: aiohttp.ClientSession) -> None:
    await create(http, "before")
    async with watch(http, f"resourceVersion={await revision(http)}") as events:
        await create(http, "a")
        async with http.patch(CONFIG_MAPS + "/a", data='{"data":{"x":"1"}}', headers=MERGE):
            pass
        async with http.delete(CONFIG_MAPS + "/a"):
            pass
        assert await events.names(3) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_without_a_revision_the_state_comes_first(http: aiohttp.ClientSession) -> None:
    await create(http, "a")
    async with watch(http, "") as events:
        assert await events.names(1) == [("ADDED", "a")]
        await create(http, "b")
        assert await events.names(1) == [("ADDED", "b")]


async def test_initial_events_end_with_a_marked_bookmark(http: aiohttp.ClientSession) -> None:
    await create(http, "a")
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with watch(http, query) as events:
        assert await events.names(1) == [("ADDED", "a")]
        bookmark = await events.next()
        assert bookmark["type"] == "BOOKMARK"
        assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    async with http.get(CONFIG_MAPS + "?watch=true&sendInitialEvents=true") as response:
        assert response.status == 422


async def test_an_object_enters_and_leaves_a_selection(http: aiohttp.ClientSession) -> None:
    async with watch(http, f"labelSelector=in%3Dyes&resourceVersion={await revision(http)}") as events:
        await create(http, "a")
        for label in ("yes", "no"):
            async with http.patch(CONFIG_MAPS + "/a", data=json.dumps({"metadata": {"labels": {"in": label}}}), headers=MERGE):
                pass
        added, deleted = await events.next(), await events.next()
        assert (added["type"], deleted["type"]) == ("ADDED", "DELETED")
        assert deleted["object"]["metadata"]["labels"] == {"in": "yes"}
        assert int(deleted["object"]["metadata"]["resourceVersion"]) > int(added["object"]["metadata"]["resourceVersion"])


async def test_one_object_is_watched_by_its_name(http: aiohttp.ClientSession) -> None:
    start = await revision(http)
    await create(http, "a")
    await create(http, "b")
    async with watch(http, f"resourceVersion={start}&fieldSelector=metadata.name%3Db") as events:
        assert await events.names(1) == [("ADDED", "b")]
    async with watch(http, f"resourceVersion={start}", path=CONFIG_MAPS + "/b") as events:
        assert await events.names(1) == [("ADDED", "b")]


async def test_an_idle_watch_gets_bookmarks_that_advance(http: aiohttp.ClientSession) -> None:
    async with watch(http, f"allowWatchBookmarks=true&resourceVersion={await revision(http)}") as events:
        async with http.post("/api/v1/namespaces", json={"metadata": {"name": "elsewhere"}}) as response:
            now = (await response.json())["metadata"]["resourceVersion"]
        while True:
            event = await events.next()
            assert event["type"] == "BOOKMARK"
            if int(event["object"]["metadata"]["resourceVersion"]) >= int(now):  # its account `default` comes after it
                break


async def test_a_watch_ends_when_its_time_is_up(http: aiohttp.ClientSession) -> None:
    async with watch(http, f"timeoutSeconds=1&resourceVersion={await revision(http)}") as events:
        assert await events.ended()


async def test_a_revision_that_is_forgotten_is_expired(tmp_path: Path) -> None:
    async with api_world(tmp_path) as world, world.http(world.admin()) as http:
        await create(http, "a")
        resource = ResourceRef("", "v1", "configmaps")
        big = "x" * 100_000
        # The cache remembers a bounded number of bytes per resource: some hundred large changes push the first out.
        for number in range(100):
            body = {"data": {"x": f"{number}{big}"}}
            await world.registry.patch(resource, "default", "a", "application/merge-patch+json", body)
        async with watch(http, "resourceVersion=1") as events:
            event = await events.next()
            assert event["type"] == "ERROR"
            assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
            assert await events.ended()


async def test_a_table_watch_sends_rows_and_its_columns_once(http: aiohttp.ClientSession) -> None:
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    async with watch(http, f"resourceVersion={await revision(http)}", accept=accept) as events:
        await create(http, "a")
        await create(http, "b")
        first, second = await events.next(), await events.next()
    assert first["object"]["kind"] == "Table"
    assert first["object"]["columnDefinitions"]
    assert second["object"]["columnDefinitions"] is None
    assert [event["object"]["rows"][0]["cells"][0] for event in (first, second)] == ["a", "b"]


async def test_a_watch_of_a_client_that_left_is_closed(world: ApiWorld, http: aiohttp.ClientSession) -> None:
    async def open_watches() -> float:
        async with http.get("/metrics") as response:
            lines = (await response.text()).splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith("apiserver_longrunning_requests "))

    async with world.http(world.admin()) as leaving, watch(leaving, f"resourceVersion={await revision(http)}"):
        assert await open_watches() == 1
    async with asyncio.timeout(5):
        while await open_watches():
            await asyncio.sleep(0.05)


async def test_many_watchers_see_the_same(http: aiohttp.ClientSession) -> None:
    start = await revision(http)

    async def follow() -> list[tuple[str, str]]:
        async with watch(http, f"resourceVersion={start}") as events:
            return await events.names(20)

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(follow()) for _ in range(30)]
        for number in range(20):
            await create(http, f"c{number:02}")
    assert {tuple(task.result()) for task in running} == {tuple(("ADDED", f"c{number:02}") for number in range(20))}


@pytest.mark.parametrize("query", ["resourceVersion=x", "labelSelector=%3D%3D", "fieldSelector=a%3Db"])
async def test_a_watch_that_makes_no_sense_is_refused(http: aiohttp.ClientSession, query: str) -> None:
    async with http.get(f"{CONFIG_MAPS}?watch=true&{query}") as response:
        assert response.status == 400


async def test_the_head_of_a_watch_has_no_body(http: aiohttp.ClientSession) -> None:
    await create(http, "a")
    # On one connection: a body would be taken for the next answer.
    for query in ("watch=true", "watch=true&resourceVersion=999999999999"):
        async with http.head(f"{CONFIG_MAPS}?{query}") as response:
            assert response.status == 200
        async with http.get(f"{CONFIG_MAPS}/a") as response:
            assert (await response.json())["kind"] == "ConfigMap"
