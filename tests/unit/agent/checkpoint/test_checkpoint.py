"""The checkpoint: what was saved comes back, damage is found and set aside, rest writes nothing."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.checkpoint.checkpoint import Checkpoint
from agent.checkpoint.folder import MAX_DAMAGED, CheckpointUnusable
from agent.checkpoint.record import DamagedRecord, Record, decode, encode, file_name


@given(st.text(max_size=50), st.binary(max_size=200))
def test_a_record_survives(topic: str, payload: bytes) -> None:
    assert decode(encode(Record(topic, payload))) == Record(topic, payload)


@given(st.data())
def test_any_flipped_bit_and_any_cut_is_found(data: st.DataObject) -> None:
    content = encode(Record("topic", b"payload"))
    position = data.draw(st.integers(0, len(content) * 8 - 1))
    flipped = bytearray(content)
    flipped[position // 8] ^= 1 << position % 8
    for damaged in (bytes(flipped), content[: data.draw(st.integers(0, len(content) - 1))], content + b"\0"):
        with pytest.raises(DamagedRecord):
            decode(damaged)


def files(root: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*") if path.is_file()
    }


async def test_what_was_saved_comes_back_and_what_was_deleted_does_not(tmp_path: Path) -> None:
    async with Checkpoint(tmp_path) as checkpoint:
        assert await checkpoint.save({"a": b"1", "b": b"2"}) == frozenset()
        assert await checkpoint.save({"a": b"3", "b": None, "never": None}) == frozenset()
        assert await checkpoint.save_epoch(7)
    async with Checkpoint(tmp_path) as checkpoint:
        loaded = await checkpoint.load()
    assert loaded.records == (Record("a", b"3"),)
    assert (loaded.epoch, loaded.damaged) == (7, ())


async def test_files_are_for_the_owner_only_and_loading_writes_nothing(tmp_path: Path) -> None:
    async with Checkpoint(tmp_path / "c") as checkpoint:
        await checkpoint.save({"a": b"1"})
        await checkpoint.save_epoch(1)
    before = files(tmp_path)
    async with Checkpoint(tmp_path / "c") as checkpoint:
        await checkpoint.load()
        await checkpoint.save({})
    assert files(tmp_path) == before
    for path in (tmp_path / "c").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0


async def test_damaged_files_are_set_aside_and_the_rest_is_read(tmp_path: Path) -> None:
    async with Checkpoint(tmp_path) as checkpoint:
        await checkpoint.save({"a": b"1", "b": b"2", "c": b"3", "d": b"4"})
        await checkpoint.save_epoch(9)
    orders = tmp_path / "orders"
    (orders / file_name("a")).write_bytes(b"")
    (orders / file_name("b")).write_bytes((orders / file_name("b")).read_bytes()[:-1])
    os.replace(orders / file_name("c"), orders / file_name("elsewhere"))
    (orders / "half.order.tmp").write_bytes(b"torn")
    (tmp_path / "epoch").write_bytes(b"99 wrong\n")
    async with Checkpoint(tmp_path) as checkpoint:
        loaded = await checkpoint.load()
        assert loaded.records == (Record("d", b"4"),)
        assert loaded.epoch == 0
        assert len(loaded.damaged) == 4
        assert (await checkpoint.load()).damaged == ()
    assert len(list((tmp_path / "damaged").iterdir())) == 4
    assert [path.name for path in orders.iterdir()] == [file_name("d")]


async def test_only_so_many_damaged_files_are_kept(tmp_path: Path) -> None:
    async with Checkpoint(tmp_path) as checkpoint:
        for number in range(MAX_DAMAGED + 5):
            (tmp_path / "orders" / f"{number}.order").write_bytes(b"junk")
        assert len((await checkpoint.load()).damaged) == MAX_DAMAGED + 5
    assert len(list((tmp_path / "damaged").iterdir())) == MAX_DAMAGED


async def test_a_second_agent_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    async with Checkpoint(tmp_path):
        with pytest.raises(CheckpointUnusable, match="another agent"):
            async with Checkpoint(tmp_path):
                pass
    async with Checkpoint(tmp_path) as checkpoint:
        assert (await checkpoint.load()).records == ()


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointUnusable, match="file"):
        async with Checkpoint(tmp_path / "file" / "below"):
            pass
