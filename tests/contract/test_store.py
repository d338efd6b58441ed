"""The contract of `master.store.protocol`, for every backend: add a backend to BACKENDS and it must pass all of this."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from master.store.protocol import Compacted, Conflict, StoreBackend, StoreEvent, Unavailable
from master.store.sqlite import SQLiteStore

BACKENDS: dict[str, Callable[[Path], StoreBackend]] = {
    "sqlite": lambda folder: SQLiteStore(folder / "store.db"),
}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Callable[[Path], StoreBackend]:
    return BACKENDS[request.param]


@asynccontextmanager
async def opened(store: StoreBackend) -> AsyncIterator[StoreBackend]:
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def store(backend: Callable[[Path], StoreBackend], tmp_path: Path) -> AsyncIterator[StoreBackend]:
    async with opened(backend(tmp_path)) as store:
        yield store


async def take(store: StoreBackend, prefix: str, after: int, *, count: int) -> list[StoreEvent]:
    """The first `count` events of a watch."""
    events: list[StoreEvent] = []
    async with asyncio.timeout(10), aclosing(store.watch(prefix, after)) as batches:  # type: ignore[type-var]
        async for batch in batches:
            assert batch, "an empty batch tells nothing"
            events.extend(batch)
            if len(events) >= count:
                break
    return events


async def test_a_key_that_was_never_written_is_absent(store: StoreBackend) -> None:
    assert await store.get("/a") is None
    assert await store.range("/") == ([], await store.revision())


async def test_a_put_is_read_back_with_its_revisions(store: StoreBackend) -> None:
    first = await store.put("/a", b"1", expected=0)
    second = await store.put("/a", b"2", expected=first)
    assert 0 < first < second == await store.revision()
    kv = await store.get("/a")
    assert kv is not None
    assert (kv.key, kv.value, kv.mod_revision, kv.create_revision) == ("/a", b"2", second, first)


async def test_an_empty_value_exists(store: StoreBackend) -> None:
    await store.put("/a", b"", expected=0)
    kv = await store.get("/a")
    assert kv is not None
    assert kv.value == b""


async def test_put_conflicts_when_the_key_is_at_another_revision(store: StoreBackend) -> None:
    first = await store.put("/a", b"1", expected=None)
    for expected in (0, first + 1, first - 1 or 99):
        with pytest.raises(Conflict) as caught:
            await store.put("/a", b"x", expected=expected)
        assert caught.value.actual == first
    with pytest.raises(Conflict) as caught:
        await store.put("/b", b"x", expected=first)
    assert caught.value.actual == 0
    assert await store.revision() == first, "a conflict takes no revision"


async def test_delete_compares_too_and_conflicts_on_an_absent_key(store: StoreBackend) -> None:
    first = await store.put("/a", b"1", expected=0)
    with pytest.raises(Conflict):
        await store.delete("/a", expected=first + 1)
    deleted = await store.delete("/a", expected=first)
    assert deleted > first
    assert await store.get("/a") is None
    for expected in (None, first, deleted):
        with pytest.raises(Conflict) as caught:
            await store.delete("/a", expected=expected)
        assert caught.value.actual == 0


async def test_a_key_that_comes_back_has_a_new_creation(store: StoreBackend) -> None:
    await store.put("/a", b"1", expected=0)
    await store.delete("/a", expected=None)
    again = await store.put("/a", b"2", expected=0)
    kv = await store.get("/a")
    assert kv is not None
    assert kv.create_revision == again


async def test_range_is_in_key_order_and_takes_only_the_prefix(store: StoreBackend) -> None:
    for key in ("/p/b", "/p/a", "/p", "/p/ä", "/p0", "/p/\U0001f600", "/o", "/p/\uffff"):
        await store.put(key, key.encode(), expected=0)
    found, revision = await store.range("/p/")
    assert [kv.key for kv in found] == ["/p/a", "/p/b", "/p/ä", "/p/\uffff", "/p/\U0001f600"]
    assert revision == await store.revision()
    everything, _ = await store.range("")
    assert len(everything) == 8


async def test_of_many_concurrent_creates_one_wins(store: StoreBackend) -> None:
    outcomes: list[int | Conflict] = []

    async def create(n: int) -> None:
        try:
            outcomes.append(await store.put("/a", b"%d" % n, expected=0))
        except Conflict as conflict:
            outcomes.append(conflict)

    async with asyncio.TaskGroup() as tasks:
        for n in range(50):
            tasks.create_task(create(n))
    assert sum(isinstance(outcome, int) for outcome in outcomes) == 1
    assert {outcome.actual for outcome in outcomes if isinstance(outcome, Conflict)} == {await store.revision()}


async def test_concurrent_writes_get_revisions_of_their_own(store: StoreBackend) -> None:
    revisions: list[int] = []

    async def write(n: int) -> None:
        revisions.append(await store.put(f"/{n}", b"", expected=0))

    async with asyncio.TaskGroup() as tasks:
        for n in range(700):
            tasks.create_task(write(n))
    assert len(set(revisions)) == 700
    assert len((await store.range("/"))[0]) == 700


async def test_watch_gives_each_change_once_in_order_with_what_was_before(store: StoreBackend) -> None:
    created = await store.put("/w/a", b"1", expected=0)
    await store.put("/other", b"", expected=0)
    updated = await store.put("/w/a", b"2", expected=created)
    deleted = await store.delete("/w/a", expected=updated)
    creation, update, deletion = await take(store, "/w/", created - 1, count=3)
    assert creation.previous is None
    assert creation.current is not None
    assert (creation.revision, creation.current.value) == (created, b"1")
    assert update.previous == creation.current
    assert update.current is not None
    assert (update.revision, update.current.value, update.current.create_revision) == (updated, b"2", created)
    assert deletion.current is None
    assert deletion.previous == update.current
    assert deletion.revision == deleted
    assert await take(store, "/w/", created, count=2) == [update, deletion], "`after` itself is not repeated"


async def test_watch_waits_for_what_comes(store: StoreBackend) -> None:
    start = await store.put("/w/a", b"0", expected=0)

    async def writer() -> None:
        for n in range(20):
            await store.put("/w/a", b"%d" % n, expected=None)
            await store.put("/x", b"", expected=None)

    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(take(store, "/w/", start, count=20))
        tasks.create_task(writer())
    values = [event.current.value for event in watching.result() if event.current]
    assert values == [b"%d" % n for n in range(20)]


async def test_a_watch_that_falls_far_behind_still_misses_nothing(store: StoreBackend) -> None:
    async with aclosing(store.watch("/", 0)) as batches, asyncio.timeout(30):  # type: ignore[type-var]
        first = await store.put("/0", b"", expected=0)
        seen: list[StoreEvent] = list(await anext(batches))
        for start in range(1, 5_000, 500):
            async with asyncio.TaskGroup() as tasks:
                for n in range(start, start + 500):
                    tasks.create_task(store.put(f"/{n}", b"", expected=0))
        last = await store.revision()
        while seen[-1].revision < last:
            seen.extend(await anext(batches))
    assert [event.revision for event in seen] == sorted({event.revision for event in seen})
    assert (seen[0].revision, len(seen)) == (first, 5_001)


async def test_compaction_forgets_events_and_keeps_keys(store: StoreBackend) -> None:
    first = await store.put("/a", b"1", expected=0)
    await store.put("/a", b"2", expected=None)
    await store.put("/gone", b"", expected=0)
    kept = await store.put("/b", b"3", expected=0)
    await store.delete("/gone", expected=None)
    last = await store.put("/a", b"4", expected=None)
    await store.compact(kept)
    with pytest.raises(Compacted):
        await take(store, "/", first, count=1)
    deletion, update = await take(store, "/", kept, count=2)
    assert deletion.previous is not None
    assert update.previous is not None
    assert update.previous.value == b"2", "an event keeps what was before it"
    await store.compact(last)
    found, revision = await store.range("/")
    assert [(kv.key, kv.value) for kv in found] == [("/a", b"4"), ("/b", b"3")]
    assert revision == last == await store.revision()
    with pytest.raises(Compacted):
        await take(store, "/", kept, count=1)


async def test_all_is_there_again_after_reopening(backend: Callable[[Path], StoreBackend], tmp_path: Path) -> None:
    async with opened(backend(tmp_path)) as store:
        first = await store.put("/a", b"1", expected=0)
        await store.put("/b", b"2", expected=0)
        last = await store.delete("/b", expected=None)
        await store.compact(last)
    async with opened(backend(tmp_path)) as store:
        assert await store.revision() == last, "a revision is never given twice, not even after its event was compacted"
        kv = await store.get("/a")
        assert kv is not None
        assert (kv.value, kv.mod_revision) == (b"1", first)
        assert await store.put("/b", b"", expected=0) > last
        with pytest.raises(Compacted):
            await take(store, "/", first, count=1)


async def test_close_ends_watches_and_refuses_writes(backend: Callable[[Path], StoreBackend], tmp_path: Path) -> None:
    async with opened(backend(tmp_path)) as store:
        ended = asyncio.Event()

        async def watching() -> None:
            with pytest.raises(Unavailable):
                await take(store, "/", 0, count=1)
            ended.set()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watching())
            await asyncio.sleep(0.01)
            await store.close()
        assert ended.is_set()
        with pytest.raises(Unavailable):
            await store.put("/a", b"", expected=None)
        with pytest.raises(Unavailable):
            await store.get("/a")


Step = tuple[str, str, int]
KEYS = ("/a", "/b/1", "/b/2")


class Model:
    """What the contract says, on a dict."""

    def __init__(self) -> None:
        self.live: dict[str, tuple[bytes, int, int]] = {}
        self.events: list[tuple[str, int, bytes | None, bytes | None]] = []

    def actual(self, key: str) -> int:
        return self.live[key][1] if key in self.live else 0

    def put(self, key: str, value: bytes, revision: int) -> None:
        before = self.live.get(key)
        self.live[key] = (value, revision, before[2] if before else revision)
        self.events.append((key, revision, value, before[0] if before else None))

    def delete(self, key: str, revision: int) -> None:
        self.events.append((key, revision, None, self.live.pop(key)[0]))


async def play(store: StoreBackend, model: Model, steps: Sequence[Step]) -> None:
    for number, (action, key, wrong) in enumerate(steps):
        expected = None if wrong == 2 else model.actual(key) + wrong
        allowed = expected in (None, model.actual(key))
        if action == "put":
            value = b"%d" % number
            if allowed:
                model.put(key, value, await store.put(key, value, expected=expected))
            else:
                with pytest.raises(Conflict):
                    await store.put(key, value, expected=expected)
        elif action == "delete":
            if allowed and key in model.live:
                model.delete(key, await store.delete(key, expected=expected))
            else:
                with pytest.raises(Conflict):
                    await store.delete(key, expected=expected)
        else:
            await store.close()
            await store.open()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(("put", "put", "put", "delete", "delete", "reopen")), st.sampled_from(KEYS), st.integers(0, 2)
        ),
        max_size=30,
    )
)
async def test_the_store_behaves_as_its_model(
    steps: list[Step], backend: Callable[[Path], StoreBackend], tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = Model()
    async with opened(backend(tmp_path_factory.mktemp("model"))) as store:
        await play(store, model, steps)
        found, _ = await store.range("")
        assert {kv.key: (kv.value, kv.mod_revision, kv.create_revision) for kv in found} == model.live
        if model.events:
            events = await take(store, "", 0, count=len(model.events))
            assert model.events == [
                (e.key, e.revision, e.current.value if e.current else None, e.previous.value if e.previous else None)
                for e in events
            ]
