"""The checkpoint on a disk that is full: told, nothing old is lost, and it recovers by itself."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.checkpoint.checkpoint import Checkpoint
from agent.checkpoint.record import Record

pytestmark = pytest.mark.root


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path)], check=True)
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


async def test_what_the_disk_refuses_is_told_the_rest_is_saved_and_the_old_order_stays(small_disk: Path) -> None:
    async with Checkpoint(small_disk) as checkpoint:
        await checkpoint.save({"big": b"small once", "gone": b"x"})
        assert await checkpoint.save({"big": b"x" * (1 << 20), "small": b"1", "gone": None}) == {"big"}
        assert checkpoint.failing
        loaded = await checkpoint.load()
        assert set(loaded.records) == {Record("big", b"small once"), Record("small", b"1")}
        assert not list((small_disk / "orders").glob("*.tmp"))
        assert await checkpoint.save({"big": b"fits"}) == frozenset()
        assert not checkpoint.failing
