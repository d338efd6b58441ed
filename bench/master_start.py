"""How long the master takes from its start to ready, and its memory then, by the number of pods in its store.

    python -m bench.master_start [--pods 10000] [--runs 3]

Ready is what /readyz says: the store is checked and read, controllers know everything, the API serves.
"""

import argparse
import asyncio
import contextlib
import statistics

import uvloop

from bench.api import Bench, rate, resident_megabytes
from bench.api_client import Pool, access
from bench.local_master import LocalMaster
from bench.report import machine, table


def measure(pods: int, runs: int) -> str:
    rows = []
    with LocalMaster() as master:
        for count in (0, pods):
            if count:
                uvloop.run(_fill(master, count))
            seconds, memory = [], []
            for _ in range(runs):
                master.stop()
                seconds.append(master.start())
                memory.append(resident_megabytes(master.pid))
            rows.append(
                [
                    f"{count:,}",
                    f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})",
                    f"{statistics.median(memory):.0f}",
                ]
            )
    return f"{machine()}; medians of {runs} (lowest to highest)\n\n{table(['pods', 'start to ready', 'resident MB'], rows)}"


async def _fill(master: LocalMaster, count: int) -> None:
    async with Pool(access(master.kubeconfig, master.folder)) as pool:
        bench = Bench(pool)
        await rate(lambda n: bench.create(f"p-{n}"), 64, seconds=3600, most=count)
        await asyncio.sleep(1)  # what follows creation settles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        print(measure(arguments.pods, arguments.runs))


if __name__ == "__main__":
    main()
