"""Reads, writes and watch fan-out per second of the API, over real TLS against a real master.

    python -m bench.api [--pods 5500] [--seconds 5] [--watchers 1000]

The clients run in one process beside the master on the same machine, so a figure is what both together can do. CPU time of
each per operation says more on a machine that others use too.
"""

import argparse
import asyncio
import contextlib
import functools
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from aiohttp import ClientSession

from bench.api_client import Pool, access, watching_session
from bench.local_master import LocalMaster
from bench.report import machine, percentile, table

_PODS = "/api/v1/namespaces/default/pods"
_STRATEGIC = "application/strategic-merge-patch+json"
_CLIENTS = (1, 64)
_TICKS = os.sysconf("SC_CLK_TCK")


def _pod(name: str) -> bytes:
    """A pod of about 1 KB that no scheduler picks up, so that only the API works."""
    environment = [{"name": f"VARIABLE_{number}", "value": "x" * 30} for number in range(10)]
    container = {"name": "c", "image": "example/image:1", "env": environment, "resources": {"requests": {"cpu": "10m"}}}
    spec = {"schedulerName": "nobody", "containers": [container]}
    labels = {"app": "bench", "name": name}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}).encode()


class Bench:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(self, name: str) -> None:
        await self._pool.request("POST", _PODS, _pod(name), expected=201)

    async def read(self, path: str) -> int:
        """Bytes of a GET's answer."""
        return (await self._pool.request("GET", path, expected=200)).size

    async def text(self, path: str) -> bytes:
        """The body of a GET's answer."""
        return (await self._pool.request("GET", path, expected=200, keep=True)).body

    async def patch(self, name: str, value: str, media_type: str = "application/merge-patch+json") -> None:
        data = json.dumps({"metadata": {"annotations": {"bench": value}}})
        await self._patch(f"{_PODS}/{name}", data, media_type)

    async def patch_status(self, name: str, value: str) -> None:
        data = json.dumps({"status": {"phase": "Running", "message": value}})
        await self._patch(f"{_PODS}/{name}/status", data, "application/merge-patch+json")

    async def apply(self, name: str, value: str) -> None:
        """A server-side apply of the whole pod, with another annotation each time."""
        data = json.loads(_pod(name))
        data["metadata"]["annotations"] = {"bench": value}
        query = "?fieldManager=bench&force=true"
        await self._patch(f"{_PODS}/{name}{query}", json.dumps(data), "application/apply-patch+yaml")

    async def _patch(self, path: str, data: str, media_type: str) -> None:
        await self._pool.request("PATCH", path, data.encode(), content_type=media_type, expected=200)


async def watch(session: ClientSession, server: str, started: asyncio.Event, received: list[int], revision: str) -> None:
    """Count events until cancelled."""
    path = f"{_PODS}?watch=true&resourceVersion={revision}"
    async with session.get(f"{server}{path}") as answer:
        started.set()
        async for _ in answer.content:
            received[0] += 1


def cpu_seconds(pid: int) -> float:
    """CPU time that a process took so far, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def rate(operation: Callable[[int], Awaitable[object]], clients: int, *, seconds: float, most: int) -> list[str]:
    """Run `operation` from so many clients for so long (or `most` times); its rate, p50 and p99 as table cells."""
    latencies: list[float] = []
    numbers = iter(range(most))
    end = time.monotonic() + seconds

    async def client() -> None:
        for number in numbers:
            began = time.monotonic()
            if began > end:
                return
            await operation(number)
            latencies.append(time.monotonic() - began)

    began = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(client())
    took = time.monotonic() - began
    return [
        f"{len(latencies) / took:,.0f}",
        f"{percentile(latencies, 50) * 1000:.1f}",
        f"{percentile(latencies, 99) * 1000:.1f}",
    ]


def resident_megabytes(pid: int) -> float:
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


async def measured(
    pid: int, operation: Callable[[int], Awaitable[object]], clients: int, *, seconds: float, most: int
) -> list[str]:
    """`rate`, and the CPU time of the master and of the clients for one operation, in microseconds."""
    done = 0

    async def counted(number: int) -> None:
        nonlocal done
        await operation(number)
        done += 1

    before, own = cpu_seconds(pid), time.process_time()
    cells = await rate(counted, clients, seconds=seconds, most=most)
    own = time.process_time() - own
    await asyncio.sleep(0.2)  # what a write leaves to do
    took = cpu_seconds(pid) - before
    return [*cells, f"{took / done * 1e6:,.0f}", f"{own / done * 1e6:,.0f}"]


async def measure(pods: int, seconds: float, watchers: int) -> str:
    rows: list[list[str]] = []
    with LocalMaster() as master:
        to = access(master.kubeconfig, master.folder)
        async with Pool(to) as pool, watching_session(to, connections=watchers + 100) as session:
            bench = Bench(pool)
            await asyncio.sleep(1)  # what its start leaves to do
            empty = resident_megabytes(master.pid)
            for clients in _CLIENTS:
                create = functools.partial(_create_numbered, bench, clients)
                cells = await measured(master.pid, create, clients, seconds=seconds, most=pods // 2)
                rows.append([f"create a 1 KB pod, {clients} clients", *cells])
            made = json.loads(await bench.text(f"{_PODS}?limit=1"))
            present = 1 + made["metadata"].get("remainingItemCount", 0)
            if present < pods:
                await rate(lambda n: bench.create(f"fill-{n}"), 64, seconds=600, most=pods - present)
            size = await bench.read("/api/v1/pods")
            page = await bench.read("/api/v1/pods?limit=500")
            operations: list[tuple[str, Callable[[int], Awaitable[object]]]] = [
                ("get a pod", lambda n: bench.read(f"{_PODS}/p64-{n % 100}")),
                (f"list {pods:,} pods ({size / 1e6:.1f} MB)", lambda n: bench.read("/api/v1/pods")),
                (f"list 500 of them ({page / 1e6:.1f} MB)", lambda n: bench.read("/api/v1/pods?limit=500")),
                ("merge patch a pod", lambda n: bench.patch(f"p64-{n % 100}", str(n))),
                ("strategic merge patch a pod", lambda n: bench.patch(f"p64-{n % 100}", str(n), _STRATEGIC)),
                ("patch a pod's status", lambda n: bench.patch_status(f"p64-{n % 100}", str(n))),
                ("server-side apply of a pod", lambda n: bench.apply(f"p64-{n % 100}", str(n))),
            ]
            for name, operation in operations:
                for clients in _CLIENTS:
                    cells = await measured(master.pid, operation, clients, seconds=seconds, most=10**9)
                    rows.append([f"{name}, {clients} clients", *cells])
            full = resident_megabytes(master.pid)
            for count in sorted({100, watchers}):
                rows.append(await _fan_out(bench, session, to.server, seconds, count))
            watched = resident_megabytes(master.pid)
    header = ["operation", "per second", "p50 ms", "p99 ms", "master CPU us", "clients CPU us"]
    memory = f"Master resident: {empty:.0f} MB empty, {full:.0f} MB with {pods:,} pods, {watched:.0f} MB with watchers."
    return f"{machine()}; client and server share it\n\n{table(header, rows)}\n\n{memory}"


async def _create_numbered(bench: Bench, clients: int, number: int) -> None:
    await bench.create(f"p{clients}-{number}")


async def _fan_out(bench: Bench, session: ClientSession, server: str, seconds: float, watchers: int) -> list[str]:
    revision = json.loads(await bench.text(f"{_PODS}?limit=1"))["metadata"]["resourceVersion"]
    counts = [[0] for _ in range(watchers)]
    async with asyncio.TaskGroup() as tasks:
        running = []
        for count in counts:
            started = asyncio.Event()
            running.append(tasks.create_task(watch(session, server, started, count, revision)))
            await started.wait()
        began = time.monotonic()
        patches = [0]

        async def patch(number: int) -> None:
            await bench.patch(f"p64-{number % 100}", f"watched-{number}")
            patches[0] += 1

        await rate(patch, 4, seconds=seconds, most=10**9)
        deadline = time.monotonic() + 60
        while min(count[0] for count in counts) < patches[0] and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        took = time.monotonic() - began
        for task in running:
            task.cancel()
    total = sum(count[0] for count in counts)
    assert min(count[0] for count in counts) == max(count[0] for count in counts) == patches[0], "a watcher lost an event"
    return [f"watch events delivered to {watchers:,} watchers", f"{total / took:,.0f}", "", "", "", ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=5500)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--watchers", type=int, default=1000)
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        print(uvloop.run(measure(arguments.pods, arguments.seconds, arguments.watchers)))


if __name__ == "__main__":
    main()
