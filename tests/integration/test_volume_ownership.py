"""A volume's files are given to the pod's fsGroup, whatever lies in it."""

import os
from pathlib import Path

import pytest

from agent.volumes.ownership import give_to_group
from agent.volumes.tear_down import tear_down

pytestmark = pytest.mark.root

GROUP = 4321


def test_files_and_folders_get_group_and_rights_and_links_are_not_followed(tmp_path: Path) -> None:
    volume, outside = tmp_path / "volume", tmp_path / "outside"
    (volume / "a/b").mkdir(parents=True)
    outside.write_text("the host's")
    outside.chmod(0o600)
    (volume / "a/file").touch()
    (volume / "a/file").chmod(0o4701)
    (volume / "a/link").symlink_to(outside)
    (volume / "a/dangling").symlink_to("nowhere")
    os.mkfifo(volume / "a/pipe")
    give_to_group(volume, GROUP, policy="Always")
    for folder in (volume, volume / "a", volume / "a/b"):
        assert (folder.stat().st_gid, folder.stat().st_mode & 0o7777) == (GROUP, 0o2775)
    assert (volume / "a/pipe").stat().st_gid == GROUP
    file = (volume / "a/file").stat()
    assert file.st_gid == GROUP
    assert file.st_mode & 0o777 == 0o761
    assert outside.stat().st_mode & 0o777 == 0o600
    assert outside.stat().st_gid != GROUP


def test_on_root_mismatch_the_root_decides(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    give_to_group(volume, GROUP, policy="OnRootMismatch")
    (volume / "later").touch()
    os.chown(volume / "later", 0, 0)
    give_to_group(volume, GROUP, policy="OnRootMismatch")
    assert (volume / "later").stat().st_gid == 0
    give_to_group(volume, GROUP, policy="Always")
    assert (volume / "later").stat().st_gid == GROUP
    (volume / "later").chmod(0o600)
    volume.chmod(0o755)
    give_to_group(volume, GROUP, policy="OnRootMismatch")
    assert (volume / "later").stat().st_mode & 0o777 == 0o660


def test_folders_nested_without_end_are_refused_and_leak_no_file(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    here = os.open(volume, os.O_RDONLY)
    for _ in range(2100):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="nested too deep"):
        give_to_group(volume, GROUP, policy="Always")
    assert len(os.listdir("/proc/self/fd")) == before
    tear_down(volume)
