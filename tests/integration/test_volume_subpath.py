"""Part of a volume as a mount: what a pod does to its volume meanwhile never leads outside."""

import ctypes
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.volumes.mounts import is_mount, mounts_below, unmount
from agent.volumes.subpath import SubpathFailed, prepare

pytestmark = pytest.mark.root

libc = ctypes.CDLL(None)
AT_FDCWD, RENAME_EXCHANGE = -100, 2


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for point in mounts_below(tmp_path):
        unmount(point)


def test_a_file_and_a_folder_are_bound_and_a_link_inside_is_followed(folder: Path) -> None:
    volume = folder / "volume"
    (volume / "d").mkdir(parents=True)
    (volume / "d/file").write_text("here")
    (volume / "inside").symlink_to("d")
    assert prepare(volume, "d/file", folder / "mounted/0").read_text() == "here"
    assert (prepare(volume, "inside", folder / "mounted/1") / "file").read_text() == "here"


def test_what_is_mounted_is_kept_and_another_subpath_takes_its_place(folder: Path) -> None:
    volume, target = folder / "volume", folder / "mounted"
    (volume / "one").mkdir(parents=True)
    prepare(volume, "one", target)
    prepare(volume, "one", target)
    assert len(mounts_below(target)) == 1
    (volume / "file").write_text("a file now")
    assert prepare(volume, "file", target).read_text() == "a file now"
    assert len(mounts_below(target)) == 1
    (volume / "one").rename(volume / "gone")
    prepare(volume, "one", target)
    assert target.is_dir()


def test_a_missing_subpath_is_made_with_the_volumes_permissions(folder: Path) -> None:
    volume = folder / "volume"
    volume.mkdir()
    os.chown(volume, 0, 1234)
    volume.chmod(0o2775)
    prepare(volume, "a/b", folder / "mounted")
    for made in (volume / "a", volume / "a/b"):
        assert made.stat().st_mode & 0o7777 == 0o2775
        assert made.stat().st_gid == 1234


@pytest.mark.parametrize("subpath", ["loop", "loop/x", "out", "out/x", "absolute"])
def test_links_that_lead_nowhere_or_out_are_refused(folder: Path, subpath: str) -> None:
    volume = folder / "volume"
    volume.mkdir()
    (volume / "loop").symlink_to("loop")
    (volume / "out").symlink_to("../..")
    (volume / "absolute").symlink_to("/etc")
    with pytest.raises(SubpathFailed):
        prepare(volume, subpath, folder / "mounted")
    assert not is_mount(folder / "mounted")


def test_a_folder_swapped_with_a_link_in_a_tight_loop_never_leads_out(folder: Path) -> None:
    volume, outside = folder / "volume", folder / "outside"
    (volume / "dir").mkdir(parents=True)
    (volume / "dir/file").write_text("inside")
    outside.mkdir()
    (outside / "file").write_text("the host's")
    (volume / "link").symlink_to(outside)
    over = threading.Event()

    def swap() -> None:
        one, other = os.fsencode(volume / "dir"), os.fsencode(volume / "link")
        while not over.is_set():
            libc.renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE)

    attacker = threading.Thread(target=swap)
    attacker.start()
    bound = refused = 0
    try:
        for number in range(3000):
            target = folder / "mounted" / str(number % 10)
            try:
                prepare(volume, "dir", target)
            except SubpathFailed:
                refused += 1
                continue
            assert (target / "file").read_text() == "inside"
            bound += 1
    finally:
        over.set()
        attacker.join()
    assert bound
    assert refused
