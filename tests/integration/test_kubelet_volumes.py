"""Volumes' files: they change all at once, and no path leads out of a volume."""

import os
from pathlib import Path

import msgspec
import pytest
from lightkube.models.core_v1 import Volume
from lightkube.resources.core_v1 import ConfigMap

from agent.desired import DesiredState
from agent.volumes.atomic_writer import VolumeFile, write
from agent.volumes.mounts import is_mount
from agent.volumes.protocol import MountFailed, VolumeContext
from agent.volumes.references import References
from agent.volumes.registry import plugin_for, plugins
from agent.volumes.subpath import SubpathFailed, prepare
from agent.volumes.tear_down import tear_down
from tests.unit.agent.kubelet.pod_world import pod


def test_files_are_swapped_at_once_and_stale_ones_go(tmp_path: Path) -> None:
    first = {"a": VolumeFile(b"1", 0o644), "d/b": VolumeFile(b"2", 0o600)}
    assert write(tmp_path, first, group=None)
    before = os.readlink(tmp_path / "..data")
    assert (tmp_path / "a").read_bytes() == b"1"
    assert (tmp_path / "d/b").stat().st_mode & 0o777 == 0o600
    assert not write(tmp_path, first, group=None)
    assert os.readlink(tmp_path / "..data") == before
    assert write(tmp_path, {"a": VolumeFile(b"3", 0o644)}, group=None)
    assert (tmp_path / "a").read_bytes() == b"3"
    assert sorted(one.name for one in tmp_path.iterdir() if not one.name.startswith("..2")) == ["..data", "a"]
    assert not (tmp_path / before).exists()


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "..data"])
def test_a_file_cannot_be_put_outside(tmp_path: Path, path: str) -> None:
    with pytest.raises(MountFailed):
        write(tmp_path / "v", {path: VolumeFile(b"", 0o644)}, group=None)


@pytest.mark.parametrize("subpath", ["../secret", "link", "link/deeper", "/etc"])
def test_a_subpath_cannot_leave_its_volume(tmp_path: Path, subpath: str) -> None:
    volume, outside = tmp_path / "volume", tmp_path / "secret"
    volume.mkdir()
    (outside / "deeper").mkdir(parents=True)
    (volume / "link").symlink_to(outside)
    with pytest.raises(SubpathFailed):
        prepare(volume, subpath, tmp_path / "mounted")
    assert not (tmp_path / "mounted").exists()


@pytest.mark.root
def test_a_subpath_is_bound_and_torn_down_without_its_content(tmp_path: Path) -> None:
    volume, own = tmp_path / "volume", tmp_path / "pod"
    volume.mkdir()
    target = prepare(volume, "made/here", own / "mounted")
    try:
        assert is_mount(target)
        (target / "file").write_text("kept")
        assert (volume / "made/here/file").read_text() == "kept"
    finally:
        tear_down(own)
    assert not own.exists()
    assert (volume / "made/here/file").read_text() == "kept"


def context(tmp_path: Path, volume: dict[str, object], desired: DesiredState) -> VolumeContext:
    made = msgspec.convert({"name": "v", **volume}, Volume)
    return VolumeContext(pod(), made, tmp_path / "v", References(desired, "default"), {})


def test_items_modes_and_missing_keys_of_a_config_map(tmp_path: Path) -> None:
    desired = DesiredState()
    desired.config_maps["default", "c"] = msgspec.convert({"data": {"k": "v", "other": "o"}}, ConfigMap)
    asked = context(tmp_path, {"configMap": {"name": "c", "items": [{"key": "k", "path": "p/q", "mode": 0o400}]}}, desired)
    prepared = plugin_for(asked.volume).set_up(asked)
    path = prepared.path
    assert prepared.read_only
    assert (path / "p/q").read_text() == "v"
    assert (path / "p/q").stat().st_mode & 0o777 == 0o400
    assert not (path / "other").exists()
    missing = context(tmp_path, {"configMap": {"name": "c", "items": [{"key": "x", "path": "x"}]}}, desired)
    with pytest.raises(MountFailed, match="references non-existent config key: x"):
        plugin_for(missing.volume).set_up(missing)


def test_every_volume_type_is_found() -> None:
    assert set(plugins()) == {
        "configMap", "secret", "downwardAPI", "projected", "emptyDir", "hostPath", "local", "nfs", "csi",
    }  # fmt: skip
