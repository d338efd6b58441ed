"""Walks: as du counts, on demand, remembered, bounded."""

import os
from pathlib import Path

from agent.stats.disk import DiskUsage
from agent.stats.filesystem import Taken, walk


def test_blocks_are_counted_and_files_of_several_names_once(tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/file").write_bytes(b"x" * 100_000)
    os.link(tmp_path / "deep/er/file", tmp_path / "again")
    (tmp_path / "link").symlink_to("/")
    before = walk(tmp_path)
    assert before is not None
    assert before.complete
    assert before.inodes == 5
    assert 100_000 <= before.used < 150_000
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    after = walk(tmp_path)
    assert after is not None
    assert after.used < before.used + 10_000


def test_a_walk_that_takes_too_long_says_so(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    ticks = iter(range(0, 1000, 10))
    found = walk(tmp_path, clock=lambda: float(next(ticks)), seconds=5.0)
    assert found is not None
    assert not found.complete
    assert walk(tmp_path / "none") is None


class Walker:
    def __init__(self) -> None:
        self.now = 0.0
        self.walked: list[Path] = []
        self.takes = 0.0

    def __call__(self, path: Path) -> Taken | None:
        self.walked.append(path)
        self.now += self.takes
        return Taken(self.now, 1, 1) if path.name != "none" else None


async def test_what_is_known_is_not_walked_again_for_a_minute() -> None:
    walker = Walker()
    disk = DiskUsage(clock=lambda: walker.now, walker=walker)
    one, none = Path("/one"), Path("/none")
    assert set(await disk.of([one, none])) == {one}
    walker.now = 59.0
    assert set(await disk.of([one])) == {one}
    assert walker.walked == [one, none]
    walker.now = 61.0
    await disk.of([one])
    assert walker.walked == [one, none, one]
    disk.close()


async def test_long_walks_are_made_rarely() -> None:
    walker = Walker()
    walker.takes = 30.0
    disk = DiskUsage(clock=lambda: walker.now, walker=walker)
    await disk.of([Path("/one")])
    walker.now += 500.0
    await disk.of([Path("/one")])
    assert len(walker.walked) == 1
    walker.now += 200.0
    await disk.of([Path("/one")])
    assert len(walker.walked) == 2
    disk.close()


async def test_what_nobody_asks_for_is_forgotten() -> None:
    walker = Walker()
    disk = DiskUsage(clock=lambda: walker.now, walker=walker)
    await disk.of([Path("/one")])
    walker.now = 1000.0
    await disk.of([Path("/two")])
    assert disk.known([Path("/one"), Path("/two")]).keys() == {Path("/two")}
    disk.close()
