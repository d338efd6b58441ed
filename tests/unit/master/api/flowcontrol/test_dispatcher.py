"""Letting requests in: seats, borrowing, batches, waits."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from master.api.flowcontrol.dispatcher import Dispatcher, Seat
from master.api.flowcontrol.levels import GLOBAL_DEFAULT, LEADER_ELECTION, WORKLOAD_LOW, Flow
from master.api.flowcontrol.metrics import FlowMetrics
from master.client.errors import StatusError

JANE = Flow(GLOBAL_DEFAULT, "global-default", "jane")


def dispatcher(seats: int, wait_seconds: float = 15.0) -> Dispatcher:
    return Dispatcher(seats, FlowMetrics(CollectorRegistry()), wait_seconds=wait_seconds)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_free_seat_is_taken_at_once() -> None:
    lanes = dispatcher(600)
    for _ in range(1000):
        seat = await lanes.enter(JANE, GLOBAL_DEFAULT)
        seat.leave()
        seat.leave()
        await asyncio.sleep(0)
    assert lanes.executing == 0


async def test_one_iteration_of_the_loop_starts_only_a_batch_of_a_level() -> None:
    lanes = dispatcher(600)
    order: list[str] = []

    async def one(user: str) -> None:
        seat = await lanes.enter(Flow(GLOBAL_DEFAULT, "global-default", user), GLOBAL_DEFAULT)
        order.append(user)
        seat.leave()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(200):
            tasks.create_task(one("flood"))
        tasks.create_task(one("quiet"))
    assert len(order) == 201
    assert order.index("quiet") < 40, "the quiet user's turn comes in the second batch"


async def test_a_level_borrows_what_others_lend_and_no_more() -> None:
    lanes = dispatcher(240)
    taken: list[Seat] = []

    async def take(flow: Flow) -> None:
        taken.append(await lanes.enter(flow, GLOBAL_DEFAULT))

    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(take(JANE)) for _ in range(300)]
        for _ in range(100):
            await asyncio.sleep(0)
        # 20 of its own; the others keep 30 + 21 + 10 + 20 + 10 of their 220.
        assert len(taken) == 240 - (30 + 21 + 10 + 20 + 10)
        election = [await lanes.enter(Flow(LEADER_ELECTION, "x", "scheduler"), LEADER_ELECTION) for _ in range(10)]
        low = [await lanes.enter(Flow(WORKLOAD_LOW, "x", "account"), WORKLOAD_LOW) for _ in range(10)]
        assert len(election) + len(low) == 20, "what a level keeps is there when it comes"
        for task in waiting:
            task.cancel()


async def test_who_waits_gets_the_seat_of_who_leaves_whatever_its_level() -> None:
    lanes = dispatcher(1)
    first = await lanes.enter(JANE, GLOBAL_DEFAULT)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(lanes.enter(JANE, GLOBAL_DEFAULT))
        await settle()
        assert not waiting.done()
        first.leave()
        seat = await waiting
    seat.leave()
    assert lanes.executing == 0


async def test_a_wait_ends_with_429_and_the_seat_of_nobody_is_lost() -> None:
    lanes = dispatcher(1, wait_seconds=0.05)
    first = await lanes.enter(JANE, GLOBAL_DEFAULT)
    with pytest.raises(StatusError) as refused:
        await lanes.enter(JANE, GLOBAL_DEFAULT)
    assert (refused.value.code, refused.value.details) == (429, {"retryAfterSeconds": 1})
    first.leave()
    (await lanes.enter(JANE, GLOBAL_DEFAULT)).leave()
    assert lanes.executing == 0


async def test_a_client_that_goes_away_leaves_queue_and_seat() -> None:
    lanes = dispatcher(1)
    first = await lanes.enter(JANE, GLOBAL_DEFAULT)
    async with asyncio.TaskGroup() as tasks:
        queued = tasks.create_task(lanes.enter(JANE, GLOBAL_DEFAULT))
        given = tasks.create_task(lanes.enter(JANE, GLOBAL_DEFAULT))
        await settle()
        queued.cancel()
        await settle()
        first.leave()
        # In the same iteration: it gets its seat and is cancelled.
        asyncio.get_running_loop().call_soon(given.cancel)
        await settle()
        assert given.done()
        if not given.cancelled():
            given.result().leave()
    assert lanes.executing == 0
    (await lanes.enter(JANE, GLOBAL_DEFAULT)).leave()


async def test_a_full_queue_sends_away() -> None:
    lanes = dispatcher(1)
    first = await lanes.enter(JANE, GLOBAL_DEFAULT)
    outcomes: list[int] = []

    async def ask() -> None:
        try:
            (await lanes.enter(JANE, GLOBAL_DEFAULT)).leave()
            outcomes.append(200)
        except StatusError as error:
            outcomes.append(error.code)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(310):
            tasks.create_task(ask())
        await settle()
        assert not outcomes, "a refusal is held back"
        first.leave()
    assert (outcomes.count(200), outcomes.count(429)) == (300, 10)
    assert outcomes[-1] == 429
