"""One reading of what a cgroup (a container, the node) uses. Cumulative values are since the cgroup was made; sizes in bytes.

None: the kernel does not tell it here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Memory:
    """`working_set`: usage without inactive file cache: what cannot be had back without effort. `limit` None: no limit."""

    usage: int
    working_set: int
    rss: int
    page_faults: int
    major_page_faults: int
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Swap:
    """`limit` None: no limit."""

    usage: int
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class PressureShare:
    """Percent of the last 10, 60 and 300 seconds in which tasks waited; `total` in nanoseconds, as cgroup v2 counts it."""

    avg10: float
    avg60: float
    avg300: float
    total: int


@dataclass(frozen=True, slots=True)
class Pressure:
    """Pressure stall information of one resource: `some` tasks waited, `full`: all did."""

    some: PressureShare
    full: PressureShare


@dataclass(frozen=True, slots=True)
class Usage:
    """`time`: seconds since the epoch when `cpu`, in nanoseconds of one core, was read. `pids`: processes and threads."""

    time: float
    cpu: int | None = None
    memory: Memory | None = None
    swap: Swap | None = None
    pids: int | None = None
    cpu_pressure: Pressure | None = None
    memory_pressure: Pressure | None = None
    io_pressure: Pressure | None = None
