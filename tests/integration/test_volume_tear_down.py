"""Removing a pod's volumes: all of it goes, and nothing that belongs to somebody else."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.volumes import tear_down as module
from agent.volumes.mounts import bind, is_listed, is_mount, mount_tmpfs, mounts_below, unmount
from agent.volumes.tear_down import tear_down

pytestmark = pytest.mark.root


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for point in mounts_below(tmp_path):
        unmount(point)


def precious(folder: Path) -> Path:
    outside = folder / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep/file").write_text("precious")
    return outside


def unharmed(outside: Path) -> bool:
    return (outside / "deep/file").read_text() == "precious"


def test_mounts_and_links_that_somebody_left_do_not_lead_the_removal_outside(folder: Path) -> None:
    outside, pod = precious(folder), folder / "pod"
    for name in ("volumes/v/mounted", "volumes/v/memory", "volumes/v/sp ace"):
        (pod / name).mkdir(parents=True)
    (pod / "volumes/v/link").symlink_to(outside)
    (pod / "volumes/v/file").touch()
    bind(str(outside), pod / "volumes/v/mounted")
    bind(str(outside / "deep/file"), pod / "volumes/v/file")
    mount_tmpfs(pod / "volumes/v/memory")
    # On top of one another, as an agent that was killed in between may leave them.
    bind(str(outside), pod / "volumes/v/sp ace")
    bind(str(outside), pod / "volumes/v/sp ace")
    tear_down(pod)
    assert not pod.exists()
    assert unharmed(outside)
    tear_down(pod)  # once more is no harm


def test_what_is_mounted_while_the_removal_goes_on_is_not_emptied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside, pod = precious(folder), folder / "pod"
    (pod / "a/b").mkdir(parents=True)
    bind(str(outside), pod / "a/b")
    # As if it were mounted just after the look at what is mounted.
    monkeypatch.setattr(module, "mounts_below", lambda directory: [])
    with pytest.raises(OSError, match="busy") as caught:
        tear_down(pod)
    assert caught.value.errno == errno.EBUSY
    assert unharmed(outside)
    monkeypatch.undo()
    tear_down(pod)
    assert not pod.exists()
    assert unharmed(outside)


def test_folders_nested_deeper_than_a_path_may_be_long_go_too(folder: Path) -> None:
    pod = folder / "pod"
    pod.mkdir()
    current = os.open(pod, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("a-folder", dir_fd=current)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=current))
        inner = os.open("a-folder", os.O_RDONLY, dir_fd=current)
        os.close(current)
        current = inner
    os.close(current)
    tear_down(pod)
    assert not pod.exists()


def test_a_link_in_place_of_the_pods_folder_is_not_followed(folder: Path) -> None:
    outside = precious(folder)
    (folder / "pod").symlink_to(outside)
    tear_down(folder / "pod")
    assert unharmed(outside)


def test_mount_points_are_told_also_over_a_path_with_links(folder: Path) -> None:
    real = folder / "real"
    (real / "m").mkdir(parents=True)
    (folder / "link").symlink_to(real)
    mount_tmpfs(real / "m")
    for at in (real, folder / "link"):
        assert is_mount(at / "m")
        assert is_listed(at / "m")
        assert mounts_below(at) == [str(real / "m")]
    assert not is_mount(real)
    assert not is_mount(folder / "none")


def test_a_process_that_still_uses_a_volume_does_not_hold_its_removal_up(folder: Path) -> None:
    pod = folder / "pod"
    (pod / "v").mkdir(parents=True)
    mount_tmpfs(pod / "v")
    (pod / "v/file").write_text("x")
    with subprocess.Popen(["sleep", "60"], cwd=pod / "v") as user:
        try:
            tear_down(pod)
            assert not pod.exists()
        finally:
            user.kill()
