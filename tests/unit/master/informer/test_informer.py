"""Informers against a script of what the API answers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
import pytest
from lightkube.resources.core_v1 import ConfigMap, Node

from master.client.errors import StatusError, gone
from master.client.protocol import RawEvent, RawList, ResourceRef, Verbs, WatchType
from master.informer import Informer, Informers
from master.informer import informer as informer_module


def config_map(name: str, revision: int, namespace: str = "default", **data: str) -> bytes:
    metadata = {"name": name, "namespace": namespace, "resourceVersion": str(revision)}
    return msgspec.json.encode({"metadata": metadata, "data": data})


def event(type_: WatchType, obj: bytes, revision: int) -> RawEvent:
    return RawEvent(type=type_, object=obj, revision=revision)


class Script:
    """The list and watch of `Verbs`: lists in turn, and batches (or errors) that the test feeds."""

    def __init__(self, *lists: RawList) -> None:
        self.lists = list(lists)
        self.watched_from: list[int] = []
        self.feed: asyncio.Queue[Sequence[RawEvent] | Exception] = asyncio.Queue(100)

    async def list(self, resource: ResourceRef, namespace: str, **selectors: str) -> RawList:
        return self.lists.pop(0)

    async def watch(
        self, resource: ResourceRef, namespace: str, *, revision: int, **selectors: str
    ) -> AsyncIterator[Sequence[RawEvent]]:
        self.watched_from.append(revision)
        while True:
            fed = await self.feed.get()
            self.feed.task_done()
            if isinstance(fed, Exception):
                raise fed
            yield fed


Seen = list[tuple[str | None, str | None]]


@asynccontextmanager
async def following(script: Script) -> AsyncIterator[tuple[Informer[ConfigMap], Seen]]:
    informer = Informer(cast(Verbs, script), ConfigMap)
    seen: Seen = []

    def version(obj: ConfigMap | None) -> str | None:
        return None if obj is None or obj.metadata is None else f"{obj.metadata.name}@{obj.metadata.resourceVersion}"

    informer.add_handler(lambda old, new: seen.append((version(old), version(new))))
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(informer.run())
        await informer.synced()
        yield informer, seen
        running.cancel()


async def settled(script: Script) -> None:
    await script.feed.join()
    await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(informer_module, "_FIRST_BACKOFF", 0.001)


async def test_changes_reach_the_handlers_with_what_was_before() -> None:
    script = Script(RawList([config_map("a", 3), config_map("b", 4)], 5))
    async with following(script) as (informer, seen):
        await script.feed.put([event("ADDED", config_map("c", 6), 6), event("MODIFIED", config_map("a", 7), 7)])
        await script.feed.put([event("DELETED", config_map("b", 8), 8), event("MODIFIED", config_map("a", 7), 7)])
        await settled(script)
        assert seen == [(None, "a@3"), (None, "b@4"), (None, "c@6"), ("a@3", "a@7"), ("b@8", None)]
        assert informer.get("default", "b") is None
        found = informer.get("default", "a")
        assert found is not None
        assert {obj.metadata.name for obj in informer.list("default") if obj.metadata} == {"a", "c"}
        assert informer.list("other") == []
        late: list[Any] = []
        informer.add_handler(lambda old, new: late.append(old))
        assert late == [None, None], "who comes late is told what is there"


async def test_a_watch_that_breaks_goes_on_where_it_was() -> None:
    script = Script(RawList([], 5))
    async with following(script) as (_, seen):
        await script.feed.put([event("ADDED", config_map("a", 6), 6)])
        await script.feed.put([event("BOOKMARK", b'{"metadata":{"resourceVersion":"9"}}', 9)])
        await script.feed.put(StatusError(503, "ServiceUnavailable", "down"))
        await script.feed.put([event("ADDED", config_map("b", 10), 10)])
        await settled(script)
        assert script.watched_from == [5, 9]
        assert seen == [(None, "a@6"), (None, "b@10")]


async def test_after_410_the_differences_of_the_new_list_are_told() -> None:
    script = Script(
        RawList([config_map("same", 1), config_map("changed", 2), config_map("gone", 3)], 5),
        RawList([config_map("same", 1), config_map("changed", 7), config_map("new", 8)], 9),
    )
    async with following(script) as (informer, seen):
        seen.clear()
        await script.feed.put(gone("too old resource version"))
        await settled(script)
        assert seen == [("changed@2", "changed@7"), (None, "new@8"), ("gone@3", None)]
        assert script.watched_from == [5, 9]
        assert len(informer.list()) == 3


async def test_indexes_follow_the_objects() -> None:
    script = Script(RawList([config_map("a", 1, owner="x"), config_map("b", 2, owner="x")], 5))
    async with following(script) as (informer, _):
        informer.add_index("owner", lambda obj: (obj.data or {}).values())
        assert len(informer.by_index("owner", "x")) == 2
        await script.feed.put([event("MODIFIED", config_map("a", 6, owner="y"), 6), event("DELETED", config_map("b", 7), 7)])
        await settled(script)
        assert informer.by_index("owner", "x") == []
        assert [obj.metadata.name for obj in informer.by_index("owner", "y") if obj.metadata] == ["a"]
        with pytest.raises(ValueError, match="another index"):
            informer.add_index("owner", lambda obj: ())


async def test_neither_a_bad_object_nor_a_bad_handler_harms_the_others() -> None:
    script = Script(RawList([b'{"metadata":{"name":1}}', config_map("a", 2)], 5))
    async with following(script) as (informer, seen):

        def bad(old: ConfigMap | None, new: ConfigMap | None) -> None:
            raise KeyError("bug")

        informer.add_handler(bad)
        await script.feed.put([event("ADDED", config_map("b", 6), 6)])
        await settled(script)
        assert seen == [(None, "a@2"), (None, "b@6")]


async def test_one_informer_per_kind_is_shared_and_started_when_asked_for() -> None:
    script = Script(RawList([], 1), RawList([], 1))
    informers = Informers(cast(Verbs, script))
    first = informers.of(ConfigMap)
    assert informers.of(ConfigMap) is first
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(informers.run())
        await informers.synced()
        late = informers.of(Node)
        await informers.synced()
        assert late.has_synced
        running.cancel()
