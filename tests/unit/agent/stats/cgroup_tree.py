"""A /proc and /sys/fs/cgroup of a host with one container, of either version, in a test's own directory."""

from pathlib import Path

ID = "4f" * 32
PID = 77


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def v2(root: Path, *, below: str = "") -> Path:
    """A systemd host. `below`: a group of the container's own that its process has moved to."""
    group = f"/system.slice/docker-{ID}.scope"
    write(root / "proc/self/mountinfo", f"30 23 0:26 / {root}/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n")
    write(root / f"proc/{PID}/cgroup", f"0::{group}{below}\n")
    directory = root / f"cgroup{group}"
    write(directory / "cpu.stat", "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n")
    write(directory / "memory.current", "10000\n")
    write(directory / "memory.max", "max\n")
    write(directory / "memory.stat", "anon 4000\nfile 5000\ninactive_file 3000\npgfault 9\npgmajfault 2\n")
    write(directory / "memory.swap.current", "0\n")
    write(directory / "memory.swap.max", "0\n")
    write(directory / "pids.current", "3\n")
    line = "avg10=1.50 avg60=0.75 avg300=0.25 total=1234\n"
    write(directory / "memory.pressure", f"some {line}full {line}")
    if below:
        write(root / f"cgroup{group}{below}/cpu.stat", "usage_usec 1\n")
    return root / "proc"


def v1(root: Path) -> Path:
    """A host with cgroupfs, whose controllers are mounted alone or together."""
    mounts = [("cpu,cpuacct", "cpu"), ("memory", "memory"), ("pids", "pids")]
    info = "".join(
        f"3{n} 23 0:2{n} / {root}/cgroup/{at} rw - cgroup cgroup rw,{names}\n" for n, (names, at) in enumerate(mounts)
    )
    write(root / "proc/self/mountinfo", info)
    group = f"/docker/{ID}"
    lines = "".join(f"{n}:{names}:{group}\n" for n, (names, _) in enumerate(mounts))
    write(root / f"proc/{PID}/cgroup", f"{lines}4:name=systemd:/\n0::/\n")
    write(root / f"cgroup/cpu{group}/cpuacct.usage", "2500000000\n")
    memory = root / f"cgroup/memory{group}"
    write(memory / "memory.usage_in_bytes", "10000\n")
    write(
        memory / "memory.stat",
        "rss 1\ntotal_rss 4000\ntotal_inactive_file 3000\ntotal_pgfault 9\ntotal_pgmajfault 2\ntotal_swap 100\n"
        "hierarchical_memory_limit 20000\nhierarchical_memsw_limit 20000\n",
    )
    write(root / f"cgroup/pids{group}/pids.current", "3\n")
    return root / "proc"
