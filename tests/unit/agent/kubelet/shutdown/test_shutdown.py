"""Graceful shutdown: who ends when, and what the manager does as logind speaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from lightkube.models.core_v1 import Pod
from lightkube.resources.core_v1 import Pod as PodResource

from agent.kubelet.labels import identity
from agent.kubelet.pod.termination import Termination
from agent.kubelet.shutdown.manager import InhibitorFailed, ShutdownManager
from agent.kubelet.shutdown.plan import Period, grace, groups, periods
from agent.settings.kubelet import KubeletSettings

CRITICAL = 2_000_000_000


def pod(name: str, *, priority: int = 0, grace_seconds: int = 30) -> Pod:
    spec = {
        "containers": [{"name": "c", "image": "i"}],
        "priority": priority,
        "terminationGracePeriodSeconds": grace_seconds,
    }
    return msgspec.convert({"metadata": {"name": name, "namespace": "d", "uid": name}, "spec": spec}, PodResource)


def names(of: tuple[Period, ...], *pods: Pod) -> list[list[str]]:
    return [[identity(one).name for one in group.pods] for group in groups(of, pods)]


def test_by_default_no_shutdown_is_waited_for() -> None:
    assert periods(KubeletSettings()) == ()


def test_the_last_part_of_the_time_is_for_critical_pods() -> None:
    found = periods(KubeletSettings(shutdown_grace_period=30, shutdown_grace_period_critical_pods=10))
    assert found == (Period(0, 20), Period(CRITICAL, 10))
    assert names(found, pod("critical", priority=CRITICAL + 1000), pod("a"), pod("low", priority=-5)) == [
        ["a", "low"],
        ["critical"],
    ]


def test_pods_go_with_the_highest_period_that_they_reach_and_empty_ones_take_no_time() -> None:
    found = periods(KubeletSettings(shutdown_grace_period_by_pod_priority={100: 10, 0: 60, 1000: 5}))
    assert found == (Period(0, 60), Period(100, 10), Period(1000, 5))
    assert names(found, pod("p99", priority=99), pod("p1000", priority=1000), pod("p5000", priority=5000)) == [
        ["p99"],
        ["p1000", "p5000"],
    ]


def test_a_pod_has_what_it_asks_for_and_no_more_than_its_group() -> None:
    (group,) = groups((Period(0, 20),), [pod("a"), pod("b", grace_seconds=5)])
    assert [grace(one, group) for one in group.pods] == [20, 5]


class World:
    """A host with a logind that the test speaks for. As Inhibitor and Reporter."""

    def __init__(self, *pods: Pod) -> None:
        self.pods = list(pods)
        self.says: asyncio.Queue[bool | None] = asyncio.Queue()
        self.log: list[str] = []
        self.connections = 0
        self.manager = ShutdownManager(
            periods=(Period(0, 20), Period(CRITICAL, 10)),
            connect=self.connect,
            pods=lambda: self.pods,
            terminate=self.terminate,
            reporter=self,
            changed=lambda: self.log.append(f"status: {self.manager.problem or 'ready'}"),
        )

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["World"]:
        self.connections += 1
        yield self

    async def allow(self, seconds: float) -> None:
        self.log.append(f"allow {seconds:g}")

    async def take(self) -> None:
        self.log.append("take")

    async def release(self) -> None:
        self.log.append("release")

    async def shutdowns(self) -> AsyncIterator[bool]:
        while (said := await self.says.get()) is not None:
            yield said
        raise InhibitorFailed("logind has ended")

    async def terminate(self, one: Pod, termination: Termination) -> None:
        assert termination.reason == "Terminated"
        assert termination.message == "Pod was terminated in response to imminent node shutdown."
        assert termination.disruption
        self.log.append(f"end {identity(one).name} in {termination.grace:g}")

    def event(self, pod: Pod | None, type_: str, reason: str, message: str, *, field_path: str = "") -> None:
        self.log.append(f"{reason}: {message}")

    def pod_status(self, pod: Pod, status: dict[str, Any], *, terminated: bool = False) -> None:
        raise AssertionError

    def node_status(self, status: dict[str, Any]) -> None:
        raise AssertionError

    async def until(self, *last: str) -> None:
        async with asyncio.timeout(5):
            while self.log[-len(last) :] != list(last):
                await asyncio.sleep(0.01)


async def test_a_shutdown_ends_pods_in_order_refuses_new_ones_and_lets_go_and_may_be_called_off() -> None:
    world = World(pod("critical", priority=CRITICAL, grace_seconds=3), pod("a"))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(world.manager.run())
        await world.until("allow 30", "take")
        assert world.manager.admit(pod("new")) is None
        world.says.put_nowait(True)
        await world.until(
            "NodeShutdown: Shutdown manager detected shutdown event",
            "status: node is shutting down",
            "end a in 20",
            "end critical in 3",
            "release",
        )
        refusal = world.manager.admit(pod("new"))
        assert refusal is not None
        assert (refusal.reason, refusal.message) == ("NodeShutdown", "Pod was rejected as the node is shutting down.")
        world.says.put_nowait(False)
        await world.until("NodeShutdown: Shutdown manager detected shutdown cancellation", "status: ready", "take")
        assert world.manager.admit(pod("new")) is None
        task.cancel()


async def test_a_lost_logind_is_asked_again() -> None:
    world = World()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(world.manager.run())
        await world.until("allow 30", "take")
        world.says.put_nowait(None)
        async with asyncio.timeout(5):
            while world.connections < 2:
                await asyncio.sleep(0.05)
        task.cancel()
