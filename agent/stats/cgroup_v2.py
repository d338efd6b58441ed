"""A control group of version 2. https://docs.kernel.org/admin-guide/cgroup-v2.html"""

import time
from dataclasses import dataclass
from pathlib import Path

from agent.stats.text_file import number, table, text
from agent.stats.usage import Memory, Pressure, PressureShare, Swap, Usage

_NO_SHARE = PressureShare(0.0, 0.0, 0.0, 0)


@dataclass(frozen=True, slots=True)
class CgroupV2:
    directory: Path

    def read(self) -> Usage:
        micros = table(self.directory / "cpu.stat").get("usage_usec")
        now = time.time()
        return Usage(
            time=now,
            cpu=micros * 1000 if micros is not None else None,
            memory=self._memory(),
            swap=self._swap(),
            pids=number(self.directory / "pids.current"),
            cpu_pressure=pressure(self.directory / "cpu.pressure"),
            memory_pressure=pressure(self.directory / "memory.pressure"),
            io_pressure=pressure(self.directory / "io.pressure"),
        )

    def _memory(self) -> Memory | None:
        usage = number(self.directory / "memory.current")
        if usage is None:
            return None  # the root has none: see agent.stats.host
        counters = table(self.directory / "memory.stat")
        return Memory(
            usage=usage,
            working_set=max(0, usage - counters.get("inactive_file", 0)),
            rss=counters.get("anon", 0),
            page_faults=counters.get("pgfault", 0),
            major_page_faults=counters.get("pgmajfault", 0),
            limit=number(self.directory / "memory.max"),
        )

    def _swap(self) -> Swap | None:
        usage = number(self.directory / "memory.swap.current")
        return Swap(usage, number(self.directory / "memory.swap.max")) if usage is not None else None


def pressure(path: Path) -> Pressure | None:
    """Of a *.pressure file; None where the kernel has none or has it switched off."""
    shares: dict[str, PressureShare] = {}
    for line in text(path).splitlines():
        name, *fields = line.split()
        values = dict(field.partition("=")[::2] for field in fields)
        try:
            shares[name] = PressureShare(
                float(values["avg10"]), float(values["avg60"]), float(values["avg300"]), int(values["total"]) * 1000
            )
        except (KeyError, ValueError):
            return None
    if "some" not in shares:
        return None
    return Pressure(shares["some"], shares.get("full", _NO_SHARE))
