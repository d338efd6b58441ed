"""The work queue and its workers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from master.client.errors import conflict
from master.informer import Retry, Terminal, WorkQueue, run_workers


async def test_a_key_is_queued_once() -> None:
    queue = WorkQueue[str]()
    for _ in range(3):
        queue.add("a")
    queue.add("b")
    assert (await queue.get(), await queue.get(), len(queue)) == ("a", "b", 0)


async def test_a_key_added_while_processed_comes_again_only_when_done() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert len(queue) == 1
    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_get_waits_and_a_cancelled_get_takes_nothing() -> None:
    queue = WorkQueue[str]()
    async with asyncio.TaskGroup() as tasks:
        first, second = tasks.create_task(queue.get()), tasks.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add("a")
        first.cancel()
        async with asyncio.timeout(1):
            assert await second == "a"


async def test_of_two_delays_the_shorter_counts() -> None:
    queue = WorkQueue[str]()
    loop = asyncio.get_running_loop()
    started = loop.time()
    queue.add_after("a", 30)
    queue.add_after("a", 0.02)
    queue.add_after("a", 40)
    queue.add_after("b", 0.01)
    async with asyncio.timeout(5):
        assert (await queue.get(), await queue.get()) == ("b", "a")
    assert 0.015 <= loop.time() - started < 5
    assert len(queue) == 0


async def test_back_off_doubles_until_forgotten() -> None:
    queue = WorkQueue[str]()
    loop = asyncio.get_running_loop()
    delays = []
    for _ in range(5):
        started = loop.time()
        queue.add_rate_limited("a")
        await queue.get()
        queue.done("a")
        delays.append(loop.time() - started)
    assert [delay >= 0.004 * 2**n for n, delay in enumerate(delays)] == [True] * 5
    assert queue.retries("a") == 5
    queue.forget("a")
    assert queue.retries("a") == 0


class Reconciler:
    """Fails a key as often as it was told, and notes each call."""

    def __init__(self, failures: dict[str, list[Exception]]) -> None:
        self.failures = failures
        self.calls: list[str] = []

    async def __call__(self, key: str) -> None:
        self.calls.append(key)
        if self.failures.get(key):
            raise self.failures[key].pop(0)


async def worked(queue: WorkQueue[str], reconcile: Callable[[str], Awaitable[None]], until: Callable[[], bool]) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        working = tasks.create_task(run_workers(queue, reconcile, workers=2, name="test"))
        while not until():
            await asyncio.sleep(0.002)
        working.cancel()


async def test_a_bug_is_logged_and_retried_and_harms_no_other_key(caplog: pytest.LogCaptureFixture) -> None:
    queue = WorkQueue[str]()
    reconciler = Reconciler({"bad": [KeyError("boom"), KeyError("boom")]})
    for key in ("bad", "good", "fine"):
        queue.add(key)
    with caplog.at_level(logging.ERROR):
        await worked(queue, reconciler, lambda: len(reconciler.calls) == 5)
    assert sorted(reconciler.calls) == ["bad", "bad", "bad", "fine", "good"]
    assert [record.exc_info is not None for record in caplog.records] == [True, True]
    assert queue.retries("bad") == 0, "success forgets the back-off"


async def test_retry_comes_again_terminal_does_not(caplog: pytest.LogCaptureFixture) -> None:
    queue = WorkQueue[str]()
    reconciler = Reconciler(
        {
            "retry": [Retry(0.01), Retry()],
            "conflict": [conflict("pods", "", "x")],
            "terminal": [Terminal("no use"), Terminal("no use")],
        }
    )
    for key in reconciler.failures:
        queue.add(key)
    with caplog.at_level(logging.WARNING):
        await worked(queue, reconciler, lambda: len(reconciler.calls) == 6)
        await asyncio.sleep(0.02)
    assert sorted(reconciler.calls) == ["conflict", "conflict", "retry", "retry", "retry", "terminal"]
    assert [record.getMessage() for record in caplog.records] == ["gave up: no use"], "a conflict is everyday"


async def test_no_two_workers_hold_one_key() -> None:
    queue = WorkQueue[str]()
    holding: set[str] = set()
    calls = 0

    async def reconcile(key: str) -> None:
        nonlocal calls
        assert key not in holding
        holding.add(key)
        queue.add(key)
        await asyncio.sleep(0.001)
        holding.discard(key)
        calls += 1

    queue.add("a")
    queue.add("b")
    await worked(queue, reconcile, lambda: calls > 20)
