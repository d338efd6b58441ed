"""The leader's epoch in a real store."""

import asyncio
import time
from pathlib import Path

import pytest

from master.fleet.epoch import EPOCH_KEY, next_epoch
from master.store.protocol import Corrupt
from master.store.sqlite import SQLiteStore


async def test_every_leader_gets_an_epoch_of_its_own_also_over_restarts(tmp_path: Path) -> None:
    taken: list[int] = []
    for _ in range(3):
        store = SQLiteStore(tmp_path / "store.db")
        await store.open()

        async def take(store: SQLiteStore = store) -> None:
            taken.append(await next_epoch(store))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(take())
        await store.close()
    assert len(set(taken)) == 12
    # Who asks later gets more; those who ask at once get theirs in any order.
    assert sorted(taken[:4]) + sorted(taken[4:8]) + sorted(taken[8:]) == sorted(taken)


async def test_the_leader_of_a_restored_store_is_above_those_since_the_backup(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "store.db")
    await store.open()
    await store.put(EPOCH_KEY, b"7", expected=0)
    before = int(time.time())
    assert await next_epoch(store) >= before
    await store.close()


async def test_a_clock_that_was_set_back_does_not_turn_the_epoch_back(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "store.db")
    await store.open()
    ahead = int(time.time()) + 10_000
    await store.put(EPOCH_KEY, str(ahead).encode(), expected=0)
    assert await next_epoch(store) == ahead + 1
    await store.close()


async def test_an_epoch_that_is_no_number_is_corruption(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "store.db")
    await store.open()
    await store.put(EPOCH_KEY, b"seven", expected=0)
    with pytest.raises(Corrupt, match="epoch"):
        await next_epoch(store)
    await store.close()
