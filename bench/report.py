"""How a benchmark reports: the machine, medians of several runs, ratios beside an anchor taken in the same run."""

import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path


def machine() -> str:
    """One line on the machine, for the head of every report."""
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    gigabytes = int(memory.split()[1]) / 2**20
    docker = subprocess.run(["dockerd", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return (
        f"{os.cpu_count()} cores, {gigabytes:.0f} GB, {platform.machine()}, Linux {platform.release()}, "
        f"Python {platform.python_version()}, {docker or 'no Docker'}"
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` of the values lie (nearest rank)."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]


def median_and_range(values: Sequence[float], unit: str, digits: int = 2) -> str:
    return f"{statistics.median(values):.{digits}f} {unit} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "| " + " | ".join("---" for _ in header) + " |"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)
