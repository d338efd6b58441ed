"""emptyDir on a real kernel."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lightkube.models.core_v1 import Pod, Volume

from agent.desired import DesiredState
from agent.volumes.mounts import mounts_below, unmount
from agent.volumes.protocol import MountFailed, VolumeContext
from agent.volumes.references import References
from agent.volumes.registry import plugin_for
from tests.unit.agent.kubelet.pod_world import pod

pytestmark = pytest.mark.root


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for point in mounts_below(tmp_path):
        unmount(point)


def set_up(folder: Path, source: dict[str, Any], made_for: Pod | None = None, **allocatable: str) -> Path:
    volume = msgspec.convert({"name": "v", "emptyDir": source}, Volume)
    context = VolumeContext(made_for or pod(), volume, folder / "v", References(DesiredState(), "default"), allocatable)
    return plugin_for(volume).set_up(context).path


def test_everybody_may_write_and_what_is_made_inside_belongs_to_the_fs_group(folder: Path) -> None:
    assert set_up(folder, {}).stat().st_mode & 0o7777 == 0o777
    grouped = set_up(folder / "grouped", {}, pod(securityContext={"fsGroup": 2345}))
    assert (grouped.stat().st_mode & 0o7777, grouped.stat().st_gid) == (0o2777, 2345)
    memory = set_up(folder / "memory", {"medium": "Memory"}, pod(securityContext={"fsGroup": 2345}))
    assert (memory.stat().st_mode & 0o7777, memory.stat().st_gid) == (0o2777, 2345)
    (memory / "file").touch()
    assert (memory / "file").stat().st_gid == 2345


def test_what_is_there_is_kept(folder: Path) -> None:
    for source in ({}, {"medium": "Memory", "sizeLimit": "1Mi"}):
        at = folder / str(len(source))
        (set_up(at, source) / "file").write_text("kept")
        set_up(at, source).chmod(0o700)
        assert (set_up(at, source) / "file").read_text() == "kept"
        assert (at / "v").stat().st_mode & 0o777 == 0o700, "the pod's own mode was changed"


def test_memory_is_bounded_by_the_smallest_of_limit_pod_and_node(folder: Path) -> None:
    limited = pod({"resources": {"limits": {"memory": "8Mi"}}})
    for name, source, made_for, size in (
        ("limit", {"sizeLimit": "2Mi"}, limited, 2),
        ("pod", {"sizeLimit": "32Mi"}, limited, 8),
        ("pod-alone", {}, limited, 8),
        ("node", {}, pod(), 64),
    ):
        path = set_up(folder / name, {"medium": "Memory", **source}, made_for, memory="64Mi")
        found = os.statvfs(path)
        assert found.f_blocks * found.f_frsize == size << 20, name


@pytest.mark.parametrize(
    ("medium", "requests", "why"),
    [
        ("HugePages", {}, "medium HugePages requested, but there is no resource request for huge pages"),
        (
            "HugePages",
            {"hugepages-2Mi": "2Mi", "hugepages-1Gi": "1Gi"},
            "medium: HugePages can't be used if container requests multiple huge page sizes",
        ),
        ("HugePages-1Gi", {"hugepages-2Mi": "2Mi"}, "medium HugePages-1Gi requested, but there is no resource request"),
        ("Tape", {}, 'unknown storage medium "Tape"'),
    ],
)
def test_media_that_cannot_be_had_are_refused(folder: Path, medium: str, requests: dict[str, str], why: str) -> None:
    with pytest.raises(MountFailed, match=why):
        set_up(folder, {"medium": medium}, pod({"resources": {"requests": requests}}))


def test_huge_pages_are_mounted_with_the_size_that_the_pod_requests(folder: Path) -> None:
    requesting = pod({"resources": {"requests": {"hugepages-2Mi": "2Mi"}}})
    if "hugetlbfs" in Path("/proc/filesystems").read_text():
        assert os.statvfs(set_up(folder, {"medium": "HugePages"}, requesting)).f_bsize == 2 << 20
    else:
        with pytest.raises(MountFailed):
            set_up(folder, {"medium": "HugePages"}, requesting)
