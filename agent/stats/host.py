"""The whole node's usage: its root control group, and /proc where the root group says nothing. Blocking but instant.

The root of version 2 has no memory.current: as kubelet's libraries do, what is not free is in use, and its memory.stat gives
the rest. Where it has no cpu.stat either, /proc/stat counts.
"""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

from agent.stats.cgroup import Cgroups
from agent.stats.cgroup_v2 import pressure
from agent.stats.text_file import number, table, text
from agent.stats.usage import Memory, Swap, Usage

_NANOSECONDS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Processes:
    """`highest`: how many there may be."""

    running: int
    highest: int


class Host:
    """`proc`: where /proc is mounted; `cgroups`: found below it; `unified`: version 2's root, if it is mounted."""

    def __init__(self, cgroups: Cgroups, proc: Path = Path("/proc"), unified: Path = Path("/sys/fs/cgroup")) -> None:
        self._root = cgroups.root()
        self._proc = proc
        self._unified = unified

    @property
    def boot_time(self) -> float:
        """Seconds since the epoch."""
        return float(table(self._proc / "stat").get("btime", 0))

    def usage(self) -> Usage:
        read = self._root.read() if self._root is not None else Usage(time=time.time())
        info = self.meminfo()
        found = replace(
            read,
            cpu=read.cpu if read.cpu is not None else self._cpu(),
            memory=self._memory(read.memory, info),
            swap=Swap(info.get("SwapTotal", 0) - info.get("SwapFree", 0), info.get("SwapTotal", 0)),
            pids=None,
        )
        pressures = self._proc / "pressure"
        return replace(
            found,
            cpu_pressure=found.cpu_pressure or pressure(pressures / "cpu"),
            memory_pressure=found.memory_pressure or pressure(pressures / "memory"),
            io_pressure=found.io_pressure or pressure(pressures / "io"),
        )

    def processes(self) -> Processes | None:
        """How many run (threads count, as the kernel's limit does), and may."""
        highest = number(self._proc / "sys/kernel/pid_max")
        threads = number(self._proc / "sys/kernel/threads-max")
        try:
            running = int(text(self._proc / "loadavg").split()[3].partition("/")[2])
        except (IndexError, ValueError):
            return None
        if highest is None:
            return None
        return Processes(running, min(highest, threads) if threads is not None else highest)

    def meminfo(self) -> dict[str, int]:
        """In bytes."""
        found = {}
        for line in text(self._proc / "meminfo").splitlines():
            name, _, rest = line.partition(":")
            fields = rest.split()
            if fields and fields[0].isdigit():
                found[name] = int(fields[0]) * 1024
        return found

    def _cpu(self) -> int | None:
        """Time that was neither idle nor waiting for a disk."""
        fields = text(self._proc / "stat").partition("\n")[0].split()[1:9]
        if len(fields) < 8:
            return None
        ticks = [int(field) for field in fields]
        return (sum(ticks) - ticks[3] - ticks[4]) * _NANOSECONDS_PER_TICK

    def _memory(self, read: Memory | None, info: dict[str, int]) -> Memory | None:
        total = info.get("MemTotal")
        if total is None:
            return read
        if read is not None:
            return replace(read, limit=min(read.limit, total) if read.limit is not None else total)
        counters = table(self._unified / "memory.stat")
        usage = total - info.get("MemFree", 0)
        return Memory(
            usage=usage,
            working_set=max(0, usage - counters.get("inactive_file", info.get("Inactive(file)", 0))),
            rss=counters.get("anon", info.get("AnonPages", 0)),
            page_faults=counters.get("pgfault", table(self._proc / "vmstat").get("pgfault", 0)),
            major_page_faults=counters.get("pgmajfault", table(self._proc / "vmstat").get("pgmajfault", 0)),
            limit=total,
        )
