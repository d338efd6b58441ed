"""Long work in a thread: one piece at a time, users in turn, bounded, and whoever goes away leaves no gap."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from master.api.flowcontrol.turns import Turns
from master.client.errors import StatusError


class Work:
    """Pieces of work that note when they run and wait until they are let go."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.go = threading.Event()
        self._at_once = 0
        self.most = 0

    def piece(self, name: str) -> Callable[[], str]:
        def work() -> str:
            self._at_once += 1
            self.most = max(self.most, self._at_once)
            assert self.go.wait(10)
            self.done.append(name)
            self._at_once -= 1
            return name

        return work


async def test_users_are_served_in_turn_one_piece_at_a_time() -> None:
    turns, work = Turns("test"), Work()
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(turns.run("greedy", work.piece(f"greedy{number}"))) for number in range(4)]
        await asyncio.sleep(0)
        running.append(tasks.create_task(turns.run("other", work.piece("other"))))
        await asyncio.sleep(0)
        work.go.set()
    assert work.done == ["greedy0", "greedy1", "other", "greedy2", "greedy3"]
    assert work.most == 1
    assert [task.result() for task in running] == ["greedy0", "greedy1", "greedy2", "greedy3", "other"]


async def test_what_work_raises_is_raised_and_ends_nothing_else() -> None:
    turns = Turns("test")
    with pytest.raises(ZeroDivisionError):
        await turns.run("a", lambda: 1 / 0)
    assert await turns.run("a", lambda: 1) == 1


async def test_too_much_of_one_user_is_refused_and_others_find_a_place() -> None:
    turns, work = Turns("test", per_user=2, in_all=3), Work()
    async with asyncio.TaskGroup() as tasks:
        for number in range(3):
            tasks.create_task(turns.run("greedy", work.piece(str(number))))
        await asyncio.sleep(0)
        with pytest.raises(StatusError) as refused:
            await turns.run("greedy", work.piece("no"))
        assert refused.value.code == 429
        other = tasks.create_task(turns.run("other", work.piece("other")))
        await asyncio.sleep(0)
        work.go.set()
    assert other.result() == "other"
    assert "no" not in work.done


async def test_who_goes_away_leaves_the_turn_to_the_next() -> None:
    turns, work = Turns("test"), Work()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(turns.run("a", work.piece("first")))
        waiting = tasks.create_task(turns.run("a", work.piece("waiting")))
        last = tasks.create_task(turns.run("b", work.piece("last")))
        await asyncio.sleep(0)
        waiting.cancel()
        first.cancel()
        await asyncio.sleep(0)
        assert not last.done(), "the first piece still runs in its thread"
        work.go.set()
    assert work.done == ["first", "last"]
    assert await turns.run("a", lambda: 1) == 1
