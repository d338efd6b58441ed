"""Filling the audit log's disk neither stops the API nor hides what comes after: as docs/audit.md says."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from master.api.audit.log import AuditLog, Rotation
from master.api.audit.policy import parse
from master.api.http.auditing import Auditor
from tests.integration.api_world import api_world

pytestmark = pytest.mark.root

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """64 MB, of which the log may fill what it likes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@asynccontextmanager
async def running(log: AuditLog) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(log.run())
        yield
        writing.cancel()


def fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return ballast


def lost(metrics: CollectorRegistry) -> float:
    return metrics.get_sample_value("apiserver_audit_error_total", {"plugin": "log"}) or 0.0


async def test_requests_go_on_while_the_log_cannot_and_it_goes_on_by_itself(
    disk: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metrics, path = CollectorRegistry(), disk / "audit" / "audit.log"
    log = AuditLog(path, Rotation(100 << 20, 10, 0), metrics)
    folder = tmp_path / "master"
    folder.mkdir()

    async def told(name: str) -> None:
        async with asyncio.timeout(10):
            while name not in (path.read_text() if path.exists() else ""):
                await asyncio.sleep(0.05)

    auditor = Auditor(parse(POLICY), log, body_bytes=10_000)
    async with api_world(folder, auditor=auditor) as world, world.http(world.admin()) as http:

        async def create(name: str) -> int:
            async with http.post(f"{CONFIG_MAPS}?fieldManager={name}", json={"metadata": {"name": name}}) as response:
                return response.status

        assert await create("before") == 201
        await told("=before")
        ballast = fill(disk)
        for number in range(60):
            assert await create(f"during-{number}") == 201
        async with asyncio.timeout(10):
            while not lost(metrics):
                await asyncio.sleep(0.05)
        async with http.get("/readyz") as response:
            assert response.status == 200
        ballast.unlink()
        assert await create("after") == 201
        await told("=after")
    written = [json.loads(line) for line in path.read_bytes().splitlines()]
    taken = metrics.get_sample_value("apiserver_audit_event_total") or 0.0
    assert len(written) == taken - lost(metrics), "each event is in the file or counted as lost"
    told_of = [record.message for record in caplog.records if record.name == "master.api.audit.log"]
    # What is left of a page may take an event in between.
    assert told_of[::2] == ["the audit log cannot be written"] * (len(told_of) // 2), told_of
    assert told_of[1::2] == ["the audit log is written again"] * (len(told_of) // 2), told_of
    assert len(told_of) < 20, "not with each event"


async def test_a_full_disk_leaves_no_half_line(disk: Path) -> None:
    """Events larger than what is left are written in part by the kernel: such a part would swallow the next event."""
    metrics, path = CollectorRegistry(), disk / "audit.log"
    log = AuditLog(path, Rotation(100 << 20, 0, 0), metrics)
    ballast = fill(disk)
    with ballast.open("r+b") as file:
        file.truncate(ballast.stat().st_size - 6 * 4096)
    async with running(log):
        for number in range(10):
            log.offer({"number": number, "text": "x" * 5_000}, 5_000)
            await asyncio.sleep(0.1)
        ballast.unlink()
        log.offer({"number": 10}, 0)
        async with asyncio.timeout(5):
            while b'"number":10}' not in path.read_bytes():
                await asyncio.sleep(0.05)
    numbers = [json.loads(line)["number"] for line in path.read_bytes().splitlines()]
    assert numbers[-1] == 10
    assert lost(metrics) == 11 - len(numbers) > 0


async def test_a_half_line_of_an_earlier_run_is_ended_first(disk: Path) -> None:
    path = disk / "audit.log"
    path.write_bytes(b'{"number":1}\n{"numb')
    log = AuditLog(path, Rotation(1 << 20, 0, 0), CollectorRegistry())
    async with running(log):
        log.offer({"number": 2}, 0)
        await asyncio.sleep(0.2)
    lines = path.read_bytes().splitlines()
    assert [json.loads(line) for line in (lines[0], lines[-1])] == [{"number": 1}, {"number": 2}]
