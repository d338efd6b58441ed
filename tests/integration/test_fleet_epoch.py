"""The leader's epoch in a real store."""

import asyncio
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
    assert sorted(taken) == list(range(1, 13))


async def test_an_epoch_that_is_no_number_is_corruption(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "store.db")
    await store.open()
    await store.put(EPOCH_KEY, b"seven", expected=0)
    with pytest.raises(Corrupt, match="epoch"):
        await next_epoch(store)
    await store.close()
