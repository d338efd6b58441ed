"""What SQLiteStore promises beyond the contract: durability, damage that is found, full disks, one master at a time."""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from master.store.protocol import Compacted, Corrupt, Unavailable
from master.store.sqlite import SQLiteStore

WRITER = """
import asyncio, sys
from pathlib import Path
from master.store.sqlite import SQLiteStore

async def write(store, lane):
    revision = 0
    for n in range(100_000):
        revision = await store.put(f"/lane/{lane}", b"%d" % n, expected=revision)
        print(lane, n, revision, flush=True)

async def main():
    store = SQLiteStore(Path(sys.argv[1]), keep_events=200)
    await store.open()
    async with asyncio.TaskGroup() as tasks:
        for lane in range(8):
            tasks.create_task(write(store, lane))

asyncio.run(main())
"""


@asynccontextmanager
async def opened(path: Path, **options: int) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(path, **options)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def killed_writer(path: Path, after: int) -> dict[int, tuple[int, int]]:
    """Kill a writing process with SIGKILL after some acknowledgements; the last acknowledged (n, revision) of each lane."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(path), stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.getcwd()}
    )
    acknowledged: dict[int, tuple[int, int]] = {}
    assert process.stdout is not None
    for _ in range(after):
        lane, n, revision = map(int, (await process.stdout.readline()).split())
        acknowledged[lane] = (n, revision)
    process.send_signal(signal.SIGKILL)
    rest = (await process.stdout.read()).decode()
    for line in rest.splitlines(keepends=True):
        if line.endswith("\n"):
            lane, n, revision = map(int, line.split())
            acknowledged[lane] = (n, revision)
    await process.wait()
    return acknowledged


@pytest.mark.parametrize("after", [1, 40, 900])
async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, after: int) -> None:
    path = tmp_path / "store.db"
    acknowledged = await killed_writer(path, after)
    async with opened(path) as store:
        for lane, (n, revision) in acknowledged.items():
            kv = await store.get(f"/lane/{lane}")
            assert kv is not None
            assert (int(kv.value), kv.mod_revision) >= (n, revision)
        assert await store.revision() >= max(revision for _, revision in acknowledged.values())


async def test_a_second_master_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with opened(path) as store:
        with pytest.raises(Unavailable, match="another process"):
            await SQLiteStore(path).open()
        await store.put("/a", b"", expected=0)
    async with opened(path) as store:
        assert await store.get("/a") is not None


async def fill(path: Path) -> None:
    async with opened(path, keep_events=50) as store:
        for n in range(300):
            await store.put(f"/registry/core/pods/default/p{n % 40}", b"x" * 500 + b"%d" % n, expected=None)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store that was closed; copy it."""
    folder = tmp_path_factory.mktemp("filled")
    asyncio.run(fill(folder / "store.db"))
    return folder


@pytest.fixture
def path(filled: Path, tmp_path: Path) -> Path:
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    return tmp_path / "store.db"


async def contents(path: Path) -> list[tuple[str, bytes, int]]:
    async with opened(path) as store:
        found, _ = await store.range("")
        return [(kv.key, kv.value, kv.mod_revision) for kv in found]


def flip(path: Path, seed: int, *, within: int | None = None) -> None:
    """Flip one bit, somewhere in the first bytes when `within` says so."""
    damaged = bytearray(path.read_bytes())
    chance = random.Random(seed)
    damaged[chance.randrange(within or len(damaged))] ^= 1 << chance.randrange(8)
    path.write_bytes(damaged)


def truncate(path: Path, part: float) -> None:
    os.truncate(path, int(path.stat().st_size * part))


@pytest.mark.parametrize("seed", range(60))
async def test_a_flipped_bit_is_found_or_harmless(path: Path, seed: int) -> None:
    """In bytes that hold data it is found at open; elsewhere (free pages, reserved fields) nothing changes."""
    expected = await contents(path)
    flip(path, seed)
    try:
        found = await contents(path)
    except Corrupt:
        return
    assert found == expected


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.9])
async def test_a_truncated_file_is_found(path: Path, part: float) -> None:
    truncate(path, part)
    with pytest.raises(Corrupt, match="store"):
        await contents(path)


async def test_a_file_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"some other program's precious data" * 300)
    before = path.read_bytes()
    with pytest.raises(Corrupt):
        await SQLiteStore(path).open()
    assert path.read_bytes() == before


async def test_a_flipped_bit_in_the_log_of_a_killed_master_is_found(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await killed_writer(path, 900)
    wal = path.with_name("store.db-wal")
    size = wal.stat().st_size
    assert size > 100_000, "there is a log to damage"
    for seed in range(10):
        copy = tmp_path / f"copy-{seed}"
        shutil.copytree(tmp_path, copy, ignore=shutil.ignore_patterns("copy-*"))
        # The log is reused from its start after a checkpoint; what lies early in it belongs to transactions that have others
        # behind them.
        flip(copy / "store.db-wal", seed, within=20_000)
        with pytest.raises(Corrupt, match="wal"):
            await SQLiteStore(copy / "store.db").open()


async def test_old_events_are_compacted_by_themselves(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.db", keep_events=100) as store:
        for n in range(450):
            await store.put("/a", b"%d" % n, expected=None)
        with pytest.raises(Compacted):
            await anext(aiter(store.watch("/", 100)))
        assert (await anext(aiter(store.watch("/", 350))))[0].revision == 351


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)], check=True)
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.root
async def test_a_full_disk_refuses_writes_serves_reads_and_recovers(small_disk: Path) -> None:
    async with opened(small_disk / "store.db") as store:
        kept = await store.put("/kept", b"value", expected=0)
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass
        revision = await store.revision()
        refused = 0

        async def write(n: int) -> None:
            nonlocal refused
            try:
                await store.put(f"/{n}", b"x" * 50_000, expected=0)
            except Unavailable:
                refused += 1

        async with asyncio.TaskGroup() as tasks:
            for n in range(20):
                tasks.create_task(write(n))
        assert refused == 20
        assert await store.revision() == revision
        kv = await store.get("/kept")
        assert kv is not None
        assert [kv.key for kv in (await store.range("/"))[0]] == ["/kept"]
        ballast.unlink()
        assert await store.put("/after", b"", expected=0) == kept + 1, "nothing was half written"
    async with opened(small_disk / "store.db") as store:
        assert [kv.key for kv in (await store.range("/"))[0]] == ["/after", "/kept"]


def open_to_others(folder: Path) -> dict[str, int]:
    """What others than the owner may do with each file of a store, as mode bits. The lock file holds no data."""
    return {path.name: path.stat().st_mode & 0o077 for path in folder.iterdir() if path.suffix != ".lock"}


async def test_only_its_owner_can_read_any_file_of_the_store(tmp_path: Path) -> None:
    previous = os.umask(0o022)
    try:
        async with opened(tmp_path / "store.db") as store:
            await store.put("/secret", b"1", expected=0)
            modes = open_to_others(tmp_path)
    finally:
        os.umask(previous)
    assert modes == {"store.db": 0, "store.db-wal": 0, "store.db-shm": 0}


async def test_large_values_are_watched_whole_and_do_not_stay_in_memory(tmp_path: Path) -> None:
    seen: list[int] = []
    value = bytes(1 << 20)

    async def follow(store: SQLiteStore) -> None:
        async for batch in store.watch("/big/", 0):
            seen.extend(event.revision for event in batch)

    async with opened(tmp_path / "store.db") as store, asyncio.TaskGroup() as tasks:
        following = tasks.create_task(follow(store))
        async with asyncio.TaskGroup() as writing:
            written = [writing.create_task(store.put(f"/big/{number % 8}", value, expected=None)) for number in range(40)]
        async with asyncio.timeout(10):
            while len(seen) < 40:
                await asyncio.sleep(0.01)
        following.cancel()
        assert seen == sorted(task.result() for task in written)
        kept = [state.value for event in store._recent for state in (event.current, event.previous) if state is not None]
        assert sum(map(len, kept)) <= 4 << 20
