"""The node's usage: its root group where that tells, /proc where it does not."""

from pathlib import Path

from agent.stats.cgroup import Cgroups
from agent.stats.host import Host
from tests.unit.agent.stats import cgroup_tree
from tests.unit.agent.stats.cgroup_tree import write


def proc_of(root: Path) -> Path:
    proc = cgroup_tree.v2(root)
    write(proc / "meminfo", "MemTotal: 100 kB\nMemFree: 40 kB\nSwapTotal: 10 kB\nSwapFree: 4 kB\nInactive(file): 20 kB\n")
    write(proc / "stat", "cpu  100 0 50 1000 25 0 5 0 0 0\nbtime 1700000000\n")
    write(proc / "loadavg", "0.1 0.1 0.1 2/345 999\n")
    write(proc / "sys/kernel/pid_max", "4194304\n")
    write(proc / "sys/kernel/threads-max", "1000\n")
    write(proc / "pressure/cpu", "some avg10=3.00 avg60=0.00 avg300=0.00 total=5\n")
    return proc


def test_without_a_root_group_that_tells_proc_does(tmp_path: Path) -> None:
    proc = proc_of(tmp_path)
    host = Host(Cgroups(proc), proc, unified=tmp_path / "cgroup")
    usage = host.usage()
    assert usage.cpu == 155 * 10_000_000  # neither idle nor iowait, at 100 ticks a second
    assert usage.memory is not None
    assert (usage.memory.usage, usage.memory.working_set, usage.memory.limit) == (60 * 1024, 40 * 1024, 100 * 1024)
    assert usage.swap is not None
    assert (usage.swap.usage, usage.swap.limit) == (6 * 1024, 10 * 1024)
    assert usage.cpu_pressure is not None
    assert usage.cpu_pressure.some.avg10 == 3.0
    assert host.boot_time == 1700000000.0


def test_the_root_group_is_preferred(tmp_path: Path) -> None:
    proc = proc_of(tmp_path)
    write(tmp_path / "cgroup/cpu.stat", "usage_usec 9\n")
    write(tmp_path / "cgroup/memory.stat", "inactive_file 1024\nanon 2048\n")
    usage = Host(Cgroups(proc), proc, unified=tmp_path / "cgroup").usage()
    assert usage.cpu == 9000
    assert usage.memory is not None
    assert (usage.memory.working_set, usage.memory.rss) == (59 * 1024, 2048)


def test_the_lower_of_the_kernels_two_bounds_holds_for_processes(tmp_path: Path) -> None:
    proc = proc_of(tmp_path)
    processes = Host(Cgroups(proc), proc).processes()
    assert processes is not None
    assert (processes.running, processes.highest) == (345, 1000)
