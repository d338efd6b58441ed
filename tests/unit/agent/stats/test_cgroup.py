"""A container's control group is found by its first process, and says the same in both versions."""

from pathlib import Path

import pytest

from agent.stats.cgroup import Cgroups
from agent.stats.cgroup_v2 import pressure
from agent.stats.usage import Memory, Swap
from tests.unit.agent.stats import cgroup_tree
from tests.unit.agent.stats.cgroup_tree import ID, PID, write


def test_version_2(tmp_path: Path) -> None:
    found = Cgroups(cgroup_tree.v2(tmp_path)).of_container(PID, ID)
    assert found is not None
    usage = found.read()
    assert usage.cpu == 2_500_000_000
    assert usage.memory == Memory(usage=10000, working_set=7000, rss=4000, page_faults=9, major_page_faults=2, limit=None)
    assert usage.swap == Swap(0, 0)
    assert usage.pids == 3
    assert usage.memory_pressure is not None
    assert (usage.memory_pressure.some.avg10, usage.memory_pressure.full.total) == (1.5, 1_234_000)
    assert usage.cpu_pressure is None


def test_version_1(tmp_path: Path) -> None:
    found = Cgroups(cgroup_tree.v1(tmp_path)).of_container(PID, ID)
    assert found is not None
    usage = found.read()
    assert usage.cpu == 2_500_000_000
    assert usage.memory == Memory(usage=10000, working_set=7000, rss=4000, page_faults=9, major_page_faults=2, limit=20000)
    assert usage.swap == Swap(100, 0)
    assert usage.pids == 3


def test_groups_that_a_container_makes_for_itself_are_within_its_own(tmp_path: Path) -> None:
    found = Cgroups(cgroup_tree.v2(tmp_path, below="/init.scope")).of_container(PID, ID)
    assert found is not None
    assert found.read().cpu == 2_500_000_000


def test_a_process_id_that_another_has_by_now_is_not_read(tmp_path: Path) -> None:
    cgroups = Cgroups(cgroup_tree.v2(tmp_path))
    assert cgroups.of_container(PID, "ab" * 32) is None
    assert cgroups.of_container(PID + 1, ID) is None


def test_a_group_that_has_gone_reads_as_nothing(tmp_path: Path) -> None:
    cgroups = Cgroups(cgroup_tree.v2(tmp_path))
    write(tmp_path / f"proc/{PID}/cgroup", f"0::/gone/{ID}\n")
    found = cgroups.of_container(PID, ID)
    assert found is not None
    usage = found.read()
    assert (usage.cpu, usage.memory, usage.pids) == (None, None, None)


def test_what_is_outside_of_the_readers_namespace_is_not_read(tmp_path: Path) -> None:
    cgroups = Cgroups(cgroup_tree.v2(tmp_path))
    write(tmp_path / f"proc/{PID}/cgroup", f"0::/../other/{ID}\n")
    assert cgroups.of_container(PID, ID) is None


def test_a_mount_of_a_part_of_the_tree_shows_that_part(tmp_path: Path) -> None:
    proc = cgroup_tree.v2(tmp_path)
    write(tmp_path / "proc/self/mountinfo", f"30 23 0:26 /system.slice {tmp_path}/part rw - cgroup2 cgroup2 rw\n")
    write(tmp_path / f"part/docker-{ID}.scope/cpu.stat", "usage_usec 7\n")
    found = Cgroups(proc).of_container(PID, ID)
    assert found is not None
    assert found.read().cpu == 7000


@pytest.mark.parametrize("content", ["", "nonsense", "some avg10=x avg60=0 avg300=0 total=0", "full avg10=0.00"])
def test_strange_pressure_is_none(tmp_path: Path, content: str) -> None:
    write(tmp_path / "cpu.pressure", content)
    assert pressure(tmp_path / "cpu.pressure") is None
