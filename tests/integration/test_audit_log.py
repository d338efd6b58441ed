"""The audit log's file: lines, rotation, a full queue, a folder that cannot be written."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from master.api.audit.log import AuditLog, Rotation


@contextlib.asynccontextmanager
async def running(log: AuditLog) -> AsyncIterator[AuditLog]:
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(log.run())
        await asyncio.sleep(0)
        yield log
        writing.cancel()


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def backups_in(folder: Path, other: Path) -> list[Path]:
    return sorted(set(folder.glob("audit-*.log")) - {other})


async def test_events_are_lines_and_none_is_lost_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "audit.log"
    async with running(AuditLog(path, Rotation(1 << 20, 0, 0), CollectorRegistry())) as log:
        for number in range(500):
            log.offer({"number": number}, 0)
    assert [line["number"] for line in lines(path)] == list(range(500))
    assert path.stat().st_mode & 0o777 == 0o600
    async with running(AuditLog(path, Rotation(1 << 20, 0, 0), CollectorRegistry())) as log:
        log.offer({"number": 500}, 0)
    assert len(lines(path)) == 501, "a new start goes on where the file ends"


async def test_a_file_is_rotated_and_old_ones_go(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    other = tmp_path / "audit-mine.log"
    other.write_text("kept")
    async with running(AuditLog(path, Rotation(2000, 3, 0), CollectorRegistry())) as log:
        for number in range(200):
            log.offer({"number": number, "text": "x" * 80}, 0)
    backups = backups_in(tmp_path, other)
    assert len(backups) == 3
    assert all(backup.stat().st_size <= 2000 for backup in [*backups, path])
    found = [line["number"] for file in [*backups, path] for line in lines(file)]
    assert found == list(range(found[0], 200)), "what is left has no gap"
    assert other.read_text() == "kept"


async def test_a_full_queue_drops_and_counts(tmp_path: Path) -> None:
    metrics = CollectorRegistry()
    log = AuditLog(tmp_path / "audit.log", Rotation(1 << 30, 0, 0), metrics)
    for number in range(10_050):
        log.offer({"number": number}, 0)
    assert metrics.get_sample_value("apiserver_audit_error_total", {"plugin": "buffer-full"}) == 50
    large = AuditLog(tmp_path / "large.log", Rotation(1 << 30, 0, 0), CollectorRegistry())
    for _ in range(100):
        large.offer({}, 1 << 20)
    assert len(large._waiting) < 70
    async with running(log):
        pass
    assert len(lines(tmp_path / "audit.log")) == 10_000


async def test_a_file_that_cannot_be_written_is_told_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    metrics = CollectorRegistry()
    (tmp_path / "file").write_text("")
    log = AuditLog(tmp_path / "file" / "audit.log", Rotation(1 << 20, 0, 0), metrics)
    async with running(log):
        log.offer({"number": 1}, 0)
        async with asyncio.timeout(5):
            while not metrics.get_sample_value("apiserver_audit_error_total", {"plugin": "log"}):
                await asyncio.sleep(0.02)
    assert "the audit log cannot be written" in caplog.text
