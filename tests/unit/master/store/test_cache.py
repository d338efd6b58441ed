"""The watch cache over a real SQLite store."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random

import pytest

from master.store import cache as cache_module
from master.store.cache import CacheWatch, TooSlow, WatchCache
from master.store.cached import CachedObject, CacheEvent, cached
from master.store.protocol import Compacted, Corrupt, KeyValue
from master.store.sqlite import SQLiteStore

PODS = "/registry/core/pods/"


def pod(name: str, namespace: str = "default", **labels: str) -> bytes:
    return json.dumps({"kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": labels}}).encode()


class World:
    def __init__(self, store: SQLiteStore) -> None:
        self.store = store
        self.cache = WatchCache(store)

    async def put(self, name: str, namespace: str = "default", **labels: str) -> int:
        revision = await self.store.put(f"{PODS}{namespace}/{name}", pod(name, namespace, **labels), expected=None)
        await self.cache.wait_for(revision)
        return revision

    async def delete(self, name: str, namespace: str = "default") -> int:
        revision = await self.store.delete(f"{PODS}{namespace}/{name}", expected=None)
        await self.cache.wait_for(revision)
        return revision


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "store.db", keep_events=500)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def world(store: SQLiteStore) -> AsyncIterator[World]:
    world = World(store)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(world.cache.run())
        await world.cache.synced()
        yield world
        running.cancel()


async def batch(watch: CacheWatch) -> list[tuple[str, str, int]]:
    async with asyncio.timeout(5):
        return [(event.type, event.object.name, event.revision) for event in await anext(watch)]


async def test_get_gives_the_object_with_its_resource_version(world: World) -> None:
    revision = await world.put("a", app="x")
    found = world.cache.get(f"{PODS}default/a")
    assert found is not None
    assert (found.revision, found.namespace, found.name, found.labels) == (revision, "default", "a", {"app": "x"})
    assert found.decode() == {
        "kind": "Pod",
        "metadata": {"resourceVersion": str(revision), "name": "a", "namespace": "default", "labels": {"app": "x"}},
    }
    assert world.cache.get(f"{PODS}default/b") is None
    assert world.cache.get("/registry/apps/deployments/default/a") is None


def stored(value: bytes) -> KeyValue:
    return KeyValue(key=f"{PODS}default/a", value=value, mod_revision=7, create_revision=1)


@pytest.mark.parametrize(
    "value", [b'{"metadata":{}}', b'{ "metadata" : { } , "a": "\\"metadata\\":{}" }', b'{"metadata":{"name":"a"},"x":1}']
)
def test_the_resource_version_is_put_into_any_shape_of_json(value: bytes) -> None:
    expected = json.loads(value)
    expected["metadata"]["resourceVersion"] = "7"
    assert cached(stored(value)).decode() == expected


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b'{"metadata":1}', b'{"metadata":{"labels":{"a":1}}}'])
def test_a_value_that_is_no_object_is_corrupt(value: bytes) -> None:
    with pytest.raises(Corrupt):
        cached(stored(value))


async def test_list_is_in_key_order_per_resource_and_namespace(world: World) -> None:
    for name, namespace in (("b", "default"), ("a", "default"), ("c", "default-2"), ("d", "a")):
        last = await world.put(name, namespace)
    assert ([o.name for o in world.cache.list(PODS)[0]], world.cache.list(PODS)[1]) == (["d", "c", "a", "b"], last)
    assert [o.name for o in world.cache.list(f"{PODS}default/")[0]] == ["a", "b"]
    assert world.cache.list("/registry/apps/deployments/") == ((), last)
    with pytest.raises(ValueError, match="names no resource"):
        world.cache.list("/registry/")


async def test_a_list_at_any_remembered_revision_is_what_a_list_was_then(world: World) -> None:
    random = Random(7)
    seen: dict[int, list[tuple[str, int]]] = {}
    there: set[tuple[str, str]] = set()
    for _ in range(200):
        name, namespace = random.choice("abcdef"), random.choice(("default", "other"))
        if (name, namespace) in there and random.random() < 0.4:
            await world.delete(name, namespace)
            there.discard((name, namespace))
        else:
            await world.put(name, namespace)
            there.add((name, namespace))
        objects, revision = world.cache.list(PODS)
        seen[revision] = [(obj.key, obj.revision) for obj in objects]
    for revision, expected in seen.items():
        assert [(obj.key, obj.revision) for obj in world.cache.list_at(PODS, revision)] == expected
        inside = [one for one in expected if one[0].startswith(f"{PODS}other/")]
        assert [(obj.key, obj.revision) for obj in world.cache.list_at(f"{PODS}other/", revision)] == inside


async def test_a_list_at_a_forgotten_revision_is_compacted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_HISTORY_EVENTS", 3)
    revisions = [await world.put("a") for _ in range(6)]
    assert [obj.revision for obj in world.cache.list_at(PODS, revisions[2])] == [revisions[2]]
    with pytest.raises(Compacted):
        world.cache.list_at(PODS, revisions[1])


async def test_a_watch_starts_after_its_revision_and_goes_on(world: World) -> None:
    first = await world.put("a")
    second = await world.put("a", v="2")
    with world.cache.watch(PODS, first) as watch:
        assert await batch(watch) == [("MODIFIED", "a", second)]
        third = await world.delete("a")
        assert await batch(watch) == [("DELETED", "a", third)]
        fourth = await world.put("a")
        assert await batch(watch) == [("ADDED", "a", fourth)]


async def test_an_event_carries_the_state_before(world: World) -> None:
    await world.put("a", v="1")
    with world.cache.watch(PODS, world.cache.revision) as watch:
        await world.put("a", v="2")
        deleted = await world.delete("a")
        events: list[CacheEvent] = list(await anext(watch))
    assert [(e.type, e.object.labels, e.previous.labels if e.previous else None) for e in events] == [
        ("MODIFIED", {"v": "2"}, {"v": "1"}),
        ("DELETED", {"v": "2"}, {"v": "2"}),
    ]
    assert events[1].object.decode()["metadata"]["resourceVersion"] == str(deleted)


async def test_watches_see_their_prefix_only(world: World) -> None:
    with (
        world.cache.watch(f"{PODS}one/", world.cache.revision) as namespaced,
        world.cache.watch(f"{PODS}two/x", world.cache.revision) as single,
        world.cache.watch("/registry/apps/deployments/", world.cache.revision) as other,
    ):
        await world.put("x", "one-2")
        first = await world.put("x", "one")
        await world.put("xy", "two")
        second = await world.put("x", "two")
        assert await batch(namespaced) == [("ADDED", "x", first)]
        assert await batch(single) == [("ADDED", "x", second)]
        assert other.revision == second, "a bookmark may carry what other resources wrote"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await anext(other)


async def test_a_cancelled_wait_loses_no_event(world: World) -> None:
    with world.cache.watch(PODS, world.cache.revision) as watch:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(watch)
        revision = await world.put("a")
        assert watch.revision == revision - 1
        assert await batch(watch) == [("ADDED", "a", revision)]


async def test_a_slow_watch_is_dropped_and_the_others_go_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_MAX_BEHIND", 3)
    with world.cache.watch(PODS, 0) as slow, world.cache.watch(PODS, 0) as quick:
        for n in range(5):
            revision = await world.put(f"p{n}")
            assert await batch(quick) == [("ADDED", f"p{n}", revision)]
        with pytest.raises(TooSlow):
            await anext(slow)


async def test_too_old_a_revision_is_compacted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_HISTORY_EVENTS", 3)
    revisions = [await world.put("a") for _ in range(6)]
    with pytest.raises(Compacted):
        world.cache.watch(PODS, revisions[1])
    with world.cache.watch(PODS, revisions[2]) as watch:
        assert len(await batch(watch)) == 3


async def test_a_busy_resource_does_not_shorten_a_quiet_ones_history(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_HISTORY_EVENTS", 3)
    key = "/registry/core/nodes/-/n"
    quiet = await world.store.put(key, pod("n"), expected=0)
    for _ in range(6):
        await world.put("a")
    with world.cache.watch("/registry/core/nodes/", quiet - 1) as watch:
        assert await batch(watch) == [("ADDED", "n", quiet)]


async def test_a_watch_survives_a_restart_of_the_cache(store: SQLiteStore) -> None:
    first = await store.put(f"{PODS}default/a", pod("a"), expected=0)
    await store.put("/elsewhere", b"no object", expected=0)
    second = await store.put(f"{PODS}default/a", pod("a", v="2"), expected=None)
    third = await store.delete(f"{PODS}default/a", expected=None)
    cache = WatchCache(store)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(cache.run())
        await cache.synced()
        with cache.watch(PODS, first) as watch:
            events = await anext(watch)
        running.cancel()
    assert [(e.type, e.revision) for e in events] == [("MODIFIED", second), ("DELETED", third)]
    assert [e.previous.revision for e in events if e.previous] == [first, second]


async def test_after_a_restart_the_compaction_is_the_limit(store: SQLiteStore) -> None:
    revisions = [await store.put(f"{PODS}default/a", pod("a"), expected=None) for _ in range(40)]
    await store.compact(revisions[19])
    cache = WatchCache(store)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(cache.run())
        await cache.synced()
        with pytest.raises(Compacted):
            cache.watch(PODS, revisions[18])
        with cache.watch(PODS, revisions[30]) as watch:
            assert [event.revision for event in await anext(watch)] == revisions[31:]
        running.cancel()


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def reset(self, objects: Sequence[CachedObject]) -> None:
        self.told = [f"{cached.name}@{cached.revision}" for cached in objects]

    def apply(self, event: CacheEvent) -> None:
        self.told.append(f"{event.type} {event.object.name}@{event.revision}")


async def test_a_listener_is_told_what_there_is_and_every_change_before_a_reader_sees_it(world: World) -> None:
    first = await world.put("a")
    listener = Listener()
    world.cache.listen(PODS, listener)
    second = await world.put("b")
    assert listener.told == [f"a@{first}", f"ADDED b@{second}"]
    third = await world.delete("a")
    await world.store.put("/registry/core/nodes/-/n", pod("n", ""), expected=None)
    assert listener.told[2:] == [f"DELETED a@{third}"]


async def test_a_listener_hears_the_first_load_and_a_new_one(store: SQLiteStore) -> None:
    await store.put(f"{PODS}default/a", pod("a"), expected=None)
    cache = WatchCache(store)
    listener = Listener()
    cache.listen(PODS, listener)
    assert listener.told == []
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(cache.run())
        await cache.synced()
        assert listener.told == ["a@1"]
        running.cancel()
