"""Reads, writes and watch fan-out per second of the API, over real TLS against a real master.

    python -m bench.api [--pods 5500] [--seconds 5]

The clients run in one process beside the master on the same machine, so a figure is what both together can do.
"""

import argparse
import asyncio
import contextlib
import functools
import json
import time
from collections.abc import Awaitable, Callable

import uvloop
from aiohttp import ClientSession

from bench.api_client import connect
from bench.local_master import LocalMaster
from bench.report import machine, percentile, table

_NAMESPACE = "/api/v1/namespaces/default"


def _pod(name: str) -> bytes:
    """A pod of about 1 KB that no scheduler picks up, so that only the API works."""
    environment = [{"name": f"VARIABLE_{number}", "value": "x" * 30} for number in range(10)]
    container = {"name": "c", "image": "example/image:1", "env": environment, "resources": {"requests": {"cpu": "10m"}}}
    spec = {"schedulerName": "nobody", "containers": [container]}
    labels = {"app": "bench", "name": name}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}).encode()


class Bench:
    def __init__(self, session: ClientSession, server: str) -> None:
        self._session = session
        self._server = server

    async def create(self, name: str) -> None:
        headers = {"Content-Type": "application/json"}
        async with self._session.post(f"{self._server}{_NAMESPACE}/pods", data=_pod(name), headers=headers) as answer:
            body = await answer.read()
            assert answer.status == 201, body

    async def create_numbered(self, prefix: str, number: int) -> None:
        await self.create(f"{prefix}-{number}")

    async def read(self, path: str) -> int:
        """Bytes of a GET's answer."""
        async with self._session.get(f"{self._server}{path}") as answer:
            assert answer.status == 200
            return len(await answer.read())

    async def patch(self, name: str, value: str) -> None:
        headers = {"Content-Type": "application/merge-patch+json"}
        data = json.dumps({"metadata": {"annotations": {"bench": value}}})
        async with self._session.patch(f"{self._server}{_NAMESPACE}/pods/{name}", data=data, headers=headers) as answer:
            assert answer.status == 200, await answer.read()

    async def watch(self, started: asyncio.Event, received: list[int], revision: str) -> None:
        """Count events until cancelled."""
        path = f"{_NAMESPACE}/pods?watch=true&resourceVersion={revision}"
        async with self._session.get(f"{self._server}{path}") as answer:
            started.set()
            async for _ in answer.content:
                received[0] += 1


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


async def measure(pods: int, seconds: float) -> str:
    rows: list[list[str]] = []
    with LocalMaster() as master:
        session, server = connect(master.kubeconfig, master.folder, connections=256)
        async with session:
            bench = Bench(session, server)
            empty = resident_megabytes(master.pid)
            for clients in (1, 64):
                create = functools.partial(bench.create_numbered, f"p{clients}")
                cells = await rate(create, clients, seconds=seconds, most=pods // 2)
                rows.append([f"create a 1 KB pod, {clients} clients", *cells])
            made = json.loads(await _text(session, f"{server}{_NAMESPACE}/pods?limit=1"))
            present = 1 + made["metadata"].get("remainingItemCount", 0)
            if present < pods:
                await rate(lambda n: bench.create(f"fill-{n}"), 64, seconds=600, most=pods - present)
            for clients in (1, 16, 64):
                cells = await rate(
                    lambda n: bench.read(f"{_NAMESPACE}/pods/p1-{n % 100}"), clients, seconds=seconds, most=10**9
                )
                rows.append([f"get a pod, {clients} clients", *cells])
            size = await bench.read("/api/v1/pods")
            cells = await rate(lambda n: bench.read("/api/v1/pods"), 4, seconds=seconds, most=10**9)
            rows.append([f"list {pods:,} pods ({size / 1e6:.0f} MB), 4 clients", *cells])
            cells = await rate(lambda n: bench.patch(f"p1-{n % 100}", str(n)), 64, seconds=seconds, most=10**9)
            rows.append(["merge patch a pod, 64 clients", *cells])
            rows.append(await _fan_out(bench, session, server, seconds))
            full = resident_megabytes(master.pid)
    header = ["operation", "per second", "p50 ms", "p99 ms"]
    memory = f"Master resident: {empty:.0f} MB empty, {full:.0f} MB with {pods:,} pods."
    return f"{machine()}; client and server share it\n\n{table(header, rows)}\n\n{memory}"


async def _fan_out(bench: Bench, session: ClientSession, server: str, seconds: float, watchers: int = 100) -> list[str]:
    revision = json.loads(await _text(session, f"{server}{_NAMESPACE}/pods?limit=1"))["metadata"]["resourceVersion"]
    counts = [[0] for _ in range(watchers)]
    async with asyncio.TaskGroup() as tasks:
        running = []
        for count in counts:
            started = asyncio.Event()
            running.append(tasks.create_task(bench.watch(started, count, revision)))
            await started.wait()
        began = time.monotonic()
        patches = [0]

        async def patch(number: int) -> None:
            await bench.patch(f"p1-{number % 100}", f"watched-{number}")
            patches[0] += 1

        await rate(patch, 4, seconds=seconds, most=10**9)
        deadline = time.monotonic() + 30
        while min(count[0] for count in counts) < patches[0] and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        took = time.monotonic() - began
        for task in running:
            task.cancel()
    total = sum(count[0] for count in counts)
    assert min(count[0] for count in counts) == max(count[0] for count in counts) == patches[0], "a watcher lost an event"
    return [f"watch events delivered to {watchers} watchers", f"{total / took:,.0f}", "", ""]


async def _text(session: ClientSession, url: str) -> str:
    async with session.get(url) as answer:
        return await answer.text()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=5500)
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        print(uvloop.run(measure(arguments.pods, arguments.seconds)))


if __name__ == "__main__":
    main()
