"""Resident memory, CPU and disk writes at rest of master, agent and broker.

    python -m bench.footprint [--pods 0 10 50 100] [--seconds 60] [--settle 75]

As root. One node; for each size: a Deployment of so many pods with a readiness probe each second becomes Ready, 75 s pass
(the daemons give freed memory back each minute), then CPU time and written bytes (from /proc) are taken for some time.
"""

import argparse
import asyncio
import os
import time
from dataclasses import dataclass

from bench.report import machine, table
from tests.cluster import Cluster
from tests.cluster.manifests import app_deployment, manifest

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """One reading of a process: resident and proportional megabytes, CPU seconds so far, bytes sent to the disk so far."""

    resident: float
    proportional: float
    cpu: float
    written: int


def read_usage(pid: int) -> Usage:
    with open(f"/proc/{pid}/status") as status:
        resident = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        proportional = next(int(line.split()[1]) / 1024 for line in rollup if line.startswith("Pss:"))
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    with open(f"/proc/{pid}/io") as io:
        written = next(int(line.split()[1]) for line in io if line.startswith("write_bytes"))
    return Usage(resident, proportional, (int(fields[11]) + int(fields[12])) / _TICKS, written)


def broker_of(master: int) -> int:
    """The broker is the master's child."""
    with open(f"/proc/{master}/task/{master}/children") as children:
        for child in children.read().split():
            with open(f"/proc/{child}/comm") as name:
                if name.read().strip() == "mosquitto":
                    return int(child)
    raise LookupError("the master has no mosquitto among its children")


async def measure(sizes: list[int], seconds: float, settle: float) -> str:
    rows = []
    async with Cluster(("one",)) as cluster:
        for pods in sizes:
            await cluster.kubectl.apply(manifest(app_deployment("bench", replicas=pods)))
            await cluster.kubectl("rollout", "status", "deployment/bench", "--timeout=300s", timeout=310)
            await asyncio.sleep(settle)
            pids = {
                "master": cluster.master.pid,
                "agent": cluster.nodes["one"].agent.pid,
                "broker": broker_of(cluster.master.pid),
            }
            before = {name: read_usage(pid) for name, pid in pids.items()}
            began = time.monotonic()
            await asyncio.sleep(seconds)
            took = time.monotonic() - began
            for name, pid in pids.items():
                usage = read_usage(pid)
                rows.append(
                    [
                        str(pods),
                        name,
                        f"{usage.resident:.0f}",
                        f"{usage.proportional:.0f}",
                        f"{(usage.cpu - before[name].cpu) / took * 100:.2f}",
                        f"{usage.written - before[name].written:,}",
                    ]
                )
    header = ["pods", "process", "resident MB", "proportional MB", "% of a core", f"bytes written in {seconds:.0f} s"]
    return f"{machine()}\n\n{table(header, rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, nargs="+", default=[0, 10, 50, 100])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--settle", type=float, default=75.0, help="seconds between Ready and the first reading")
    arguments = parser.parse_args()
    print(asyncio.run(measure(arguments.pods, arguments.seconds, arguments.settle)))


if __name__ == "__main__":
    main()
