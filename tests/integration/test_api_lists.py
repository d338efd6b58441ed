"""Lists as of a revision and in pages, over real TLS: what stays consistent, also over restarts, and what is said else."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from master.client.protocol import ResourceRef
from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
RESOURCE = ResourceRef("", "v1", "configmaps")


async def get(http: aiohttp.ClientSession, query: str, code: int = 200) -> Json:
    async with http.get(f"{CONFIG_MAPS}?{query}") as response:
        got: Json = await response.json()
        assert response.status == code, got
        return got


async def put(world: ApiWorld, name: str, value: str) -> str:
    """Create or change a ConfigMap; the revision of it."""
    http = world.http(world.admin())
    async with http as session:
        body = {"metadata": {"name": name}, "data": {"value": value}}
        async with session.post(CONFIG_MAPS, json=body) as response:
            if response.status == 201:
                return str((await response.json())["metadata"]["resourceVersion"])
        async with session.put(f"{CONFIG_MAPS}/{name}", json=body) as response:
            got = await response.json()
            assert response.status == 200, got
            return str(got["metadata"]["resourceVersion"])


def values(page: Json) -> dict[str, str]:
    return {item["metadata"]["name"]: item["data"]["value"] for item in page["items"]}


async def flood(world: ApiWorld) -> None:
    """Push everything before it out of what the watch cache remembers of ConfigMaps."""
    big = "x" * 100_000
    for number in range(100):
        body = {"data": {"filler": f"{number}{big}"}}
        await world.registry.patch(RESOURCE, "default", "flooded", "application/merge-patch+json", body)


async def test_a_list_at_a_revision_shows_what_was_then(tmp_path: Path) -> None:
    async with api_world(tmp_path) as world, world.http(world.admin()) as http:
        await put(world, "changed", "1")
        then = await put(world, "deleted", "1")
        await put(world, "changed", "2")
        await put(world, "later", "1")
        async with http.delete(f"{CONFIG_MAPS}/deleted") as response:
            assert response.status == 200
        exact = await get(http, f"resourceVersion={then}&resourceVersionMatch=Exact")
        assert exact["metadata"]["resourceVersion"] == then
        assert values(exact) == {"changed": "1", "deleted": "1"}
        # A limit without a match asks for the very revision as well.
        assert values(await get(http, f"resourceVersion={then}&limit=10")) == {"changed": "1", "deleted": "1"}
        assert values(await get(http, f"resourceVersion={then}&resourceVersionMatch=NotOlderThan")) == {
            "changed": "2",
            "later": "1",
        }


async def test_pages_stay_consistent_over_a_restart_of_the_master(tmp_path: Path) -> None:
    async with api_world(tmp_path) as world, world.http(world.admin()) as http:
        for number in range(5):
            await put(world, f"c{number}", "1")
        first = await get(http, "limit=2")
        await put(world, "c11", "1")
        await put(world, "c4", "2")
    async with api_world(tmp_path) as world, world.http(world.admin()) as http:
        second = await get(http, f"limit=2&continue={first['metadata']['continue']}")
        assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        assert second["metadata"]["remainingItemCount"] == 1
        third = await get(http, f"limit=2&continue={second['metadata']['continue']}")
        assert values(first) | values(second) | values(third) == {f"c{number}": "1" for number in range(5)}
        assert "continue" not in third["metadata"]


async def test_an_expired_token_is_answered_with_one_to_go_on_as_of_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("master.api.registry.listing._SNAPSHOT_SECONDS", 0.0)
    async with api_world(tmp_path) as world, world.http(world.admin()) as http:
        for name in ("a", "b", "c", "flooded"):
            await put(world, name, "1")
        first = await get(http, "limit=1")
        assert list(values(first)) == ["a"]
        await put(world, "bb", "1")
        await flood(world)
        gone = await get(http, f"limit=2&continue={first['metadata']['continue']}", 410)
        assert gone["reason"] == "Expired"
        rest = await get(http, f"limit=2&continue={gone['metadata']['continue']}")
        assert list(values(rest)) == ["b", "bb"]
        last = await get(http, f"continue={rest['metadata']['continue']}")
        assert [item["metadata"]["name"] for item in last["items"]] == ["c", "flooded"]
        forgotten = first["metadata"]["resourceVersion"]
        said = await get(http, f"resourceVersion={forgotten}&resourceVersionMatch=Exact", 410)
        assert said["reason"] == "Expired"


async def test_a_token_from_the_future_or_of_another_maker_is_refused(tmp_path: Path) -> None:
    async with api_world(tmp_path) as world, world.http(world.admin()) as http:
        for name in ("a", "b"):
            await put(world, name, "1")
        token = (await get(http, "limit=1"))["metadata"]["continue"]
        for wrong in ("nonsense", token[:-3], "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJ4In0"):
            assert (await get(http, f"limit=1&continue={wrong}", 400))["reason"] == "BadRequest"


async def fill(world: ApiWorld, count: int) -> None:
    for number in range(count):
        body = {"metadata": {"name": f"large-{number:03}"}, "data": {"value": f"{number}-" + "x" * 50_000}}
        await world.registry.create(RESOURCE, "default", body)


@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_a_large_list_comes_in_pieces_and_whole(tmp_path: Path, coding: str) -> None:
    async with api_world(tmp_path) as world, world.http(world.admin()) as http:
        await fill(world, 60)
        headers = {"Accept-Encoding": coding}
        async with http.get(f"{CONFIG_MAPS}?limit=50", headers=headers) as response:
            assert response.headers["Transfer-Encoding"] == "chunked"
            assert response.headers.get("Content-Encoding", "identity") == coding
            page: Json = await response.json()
        assert page["kind"] == "ConfigMapList"
        assert page["metadata"]["remainingItemCount"] == 10
        assert [item["metadata"]["name"] for item in page["items"]] == [f"large-{number:03}" for number in range(50)]
        assert page["items"][49]["data"]["value"].startswith("49-")


async def test_a_client_that_does_not_read_its_list_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("master.api.http.list_stream._PIECE_SECONDS", 0.2)
    async with api_world(tmp_path) as world, world.http(world.admin(), {"Accept-Encoding": "identity"}) as http:
        await fill(world, 200)  # 10 MB: more than the sockets' buffers take
        async with http.get(CONFIG_MAPS) as response:
            assert response.status == 200
            await asyncio.sleep(1)
            with pytest.raises(aiohttp.ClientError):
                await response.read()
        async with http.get(f"{CONFIG_MAPS}/large-000") as response:
            assert response.status == 200
