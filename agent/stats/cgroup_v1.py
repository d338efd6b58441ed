"""A control group of version 1: a directory per controller. https://docs.kernel.org/admin-guide/cgroup-v1/memory.html"""

import time
from dataclasses import dataclass
from pathlib import Path

from agent.stats.cgroup_v2 import pressure
from agent.stats.text_file import number, table
from agent.stats.usage import Memory, Swap, Usage

#: What the kernel says where there is no limit: the largest whole number of pages in 63 bits, whatever a page's size.
_NO_LIMIT = 1 << 62


@dataclass(frozen=True, slots=True)
class CgroupV1:
    """`unified`: of the same processes in version 2's tree, where that is mounted too: it has pressure alone."""

    cpuacct: Path | None
    memory: Path | None
    pids: Path | None
    unified: Path | None = None

    def read(self) -> Usage:
        cpu = number(self.cpuacct / "cpuacct.usage") if self.cpuacct is not None else None
        now = time.time()
        memory, swap = self._memory()
        unified = self.unified
        return Usage(
            time=now,
            cpu=cpu,
            memory=memory,
            swap=swap,
            pids=number(self.pids / "pids.current") if self.pids is not None else None,
            cpu_pressure=pressure(unified / "cpu.pressure") if unified is not None else None,
            memory_pressure=pressure(unified / "memory.pressure") if unified is not None else None,
            io_pressure=pressure(unified / "io.pressure") if unified is not None else None,
        )

    def _memory(self) -> tuple[Memory | None, Swap | None]:
        usage = number(self.memory / "memory.usage_in_bytes") if self.memory is not None else None
        if self.memory is None or usage is None:
            return None, None
        counters = table(self.memory / "memory.stat")
        # The smallest limit on the way up counts, and only here it stands.
        limit = counters.get("hierarchical_memory_limit", _NO_LIMIT)
        found = Memory(
            usage=usage,
            working_set=max(0, usage - counters.get("total_inactive_file", 0)),
            rss=counters.get("total_rss", 0),
            page_faults=counters.get("total_pgfault", 0),
            major_page_faults=counters.get("total_pgmajfault", 0),
            limit=limit if limit < _NO_LIMIT else None,
        )
        if "total_swap" not in counters:
            return found, None
        both = counters.get("hierarchical_memsw_limit", _NO_LIMIT)
        return found, Swap(counters["total_swap"], both - limit if both < _NO_LIMIT and limit < _NO_LIMIT else None)
