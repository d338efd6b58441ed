"""The order and the times in which pods are tried."""

import asyncio

import pytest

from master.scheduler import queue as queue_module
from master.scheduler.queue import SchedulingQueue


def key(name: str) -> tuple[str, str]:
    return ("default", name)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "_FIRST_BACKOFF", 0.02)
    monkeypatch.setattr(queue_module, "_MAX_BACKOFF", 0.05)


async def popped(queue: SchedulingQueue, *, within: float = 1.0) -> str:
    """The next pod's name; "" when there is none in time."""
    try:
        async with asyncio.timeout(within):
            return (await queue.pop())[1]
    except TimeoutError:
        return ""


async def test_priority_first_then_who_came_first() -> None:
    queue = SchedulingQueue()
    for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5)):
        queue.add(key(name), priority)
    assert [await popped(queue) for _ in range(4)] == ["b", "d", "a", "c"]


async def test_a_pod_that_fits_nowhere_waits_for_what_may_help() -> None:
    queue = SchedulingQueue()
    queue.add(key("a"), 0)
    assert await popped(queue) == "a"
    queue.unschedulable(key("a"), frozenset({"NodeResourcesFit"}))
    await asyncio.sleep(0.03)
    queue.happened({"TaintToleration"})
    assert await popped(queue, within=0.01) == ""
    queue.happened({"NodeResourcesFit", "NodePorts"})
    assert await popped(queue, within=0.01) == "a"


async def test_an_event_before_the_back_off_is_over_is_not_forgotten() -> None:
    queue = SchedulingQueue()
    queue.add(key("a"), 0)
    await popped(queue)
    queue.unschedulable(key("a"), frozenset())
    queue.happened({"NodeName"})
    assert await popped(queue, within=0.005) == ""
    assert await popped(queue) == "a"


async def test_failures_back_off_longer_each_time_up_to_the_limit() -> None:
    queue = SchedulingQueue()
    loop = asyncio.get_running_loop()
    queue.add(key("a"), 0)
    waits = []
    for _ in range(4):
        await popped(queue)
        failed_at = loop.time()
        queue.failed(key("a"))
        async with asyncio.timeout(1):
            await queue.pop()
        waits.append(loop.time() - failed_at)
        queue.failed(key("a"))
    assert waits[0] >= 0.018
    assert all(wait >= 0.038 for wait in waits[1:])
    assert all(wait < 0.5 for wait in waits)


async def test_a_removed_pod_does_not_come_up() -> None:
    queue = SchedulingQueue()
    for name in ("a", "b", "c"):
        queue.add(key(name), 0)
    assert await popped(queue) == "a"
    queue.unschedulable(key("a"), frozenset())
    queue.remove(key("a"))
    queue.remove(key("b"))
    queue.happened({"x"})
    assert (await popped(queue), len(queue)) == ("c", 1)
    assert await popped(queue, within=0.05) == ""


async def test_a_pod_that_changed_is_tried_again_without_an_event() -> None:
    queue = SchedulingQueue()
    queue.add(key("a"), 0)
    await popped(queue)
    queue.unschedulable(key("a"), frozenset({"NodeAffinity"}))
    queue.add(key("a"), 0)
    assert await popped(queue) == "a"


async def test_nothing_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "_FLUSH", 0.1)
    queue = SchedulingQueue()
    queue.add(key("a"), 0)
    await popped(queue)
    queue.unschedulable(key("a"), frozenset({"NodeAffinity"}))
    assert await popped(queue) == "a"
