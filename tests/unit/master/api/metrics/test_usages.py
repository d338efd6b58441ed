"""Nodes are asked only when somebody wants to know, all at once, and for a short time."""

import asyncio

import pytest

from master.api.metrics.usages import NodeUsages
from master.client.errors import StatusError
from proto.messages import Message, StreamClose, StreamFrame, StreamOpen
from proto.metrics import CHANNEL, NodeUsage, encode
from proto.stream import Stream


class Nodes:
    """master.client.streams.NodeStreams of nodes that answer, that are away, or that hang."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.away: set[str] = set()
        self.hang: set[str] = set()
        self.answer = encode(NodeUsage(1.0, 15.0, 100, 200, []))
        self.closed = 0

    async def open(self, node: str, request: StreamOpen) -> Stream:
        assert request.kind == "metrics"
        self.asked.append(node)
        if node in self.away:
            raise StatusError(503, "ServiceUnavailable", f"node {node} is not connected to the master")
        stream = Stream(self._send)
        if node not in self.hang:
            half = len(self.answer) // 2
            await stream.deliver(StreamFrame(sequence=0, channel=CHANNEL, data=self.answer[:half]))
            await stream.deliver(StreamFrame(sequence=1, channel=CHANNEL, data=self.answer[half:], eof=True))
        return stream

    async def _send(self, message: Message) -> None:
        self.closed += isinstance(message, StreamClose)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_an_answer_is_good_for_fifteen_seconds() -> None:
    nodes, clock = Nodes(), Clock()
    usages = NodeUsages(nodes, clock=clock)
    found = await usages.of(["a", "b"])
    assert {name: usage.cpu for name, usage in found.items()} == {"a": 100, "b": 100}
    clock.now += 14
    await usages.of(["a"])
    assert sorted(nodes.asked) == ["a", "b"]
    clock.now += 2
    await usages.of(["a"])
    assert sorted(nodes.asked) == ["a", "a", "b"]
    assert nodes.closed == 3


async def test_who_asks_at_the_same_time_shares_the_answer() -> None:
    nodes = Nodes()
    usages = NodeUsages(nodes, clock=Clock())
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(usages.of(["a"])) for _ in range(5)]
    assert all("a" in task.result() for task in asking)
    assert nodes.asked == ["a"]


async def test_nodes_that_are_away_or_hang_are_missing_and_keep_nobody_waiting() -> None:
    nodes = Nodes()
    nodes.away, nodes.hang = {"away"}, {"hangs"}
    usages = NodeUsages(nodes, clock=Clock(), wait_seconds=0.2)
    async with asyncio.timeout(2):
        found = await usages.of(["away", "here", "hangs"])
    assert found.keys() == {"here"}
    assert nodes.closed == 2


async def test_what_a_node_said_last_stands_in_for_a_minute_while_it_is_connected() -> None:
    nodes, clock = Nodes(), Clock()
    usages = NodeUsages(nodes, clock=clock, wait_seconds=0.1)
    await usages.of(["a", "b"])
    nodes.hang, nodes.away = {"a"}, {"b"}
    clock.now += 50
    assert (await usages.of(["a", "b"])).keys() == {"a"}
    clock.now += 20
    assert await usages.of(["a", "b"]) == {}


@pytest.mark.parametrize("answer", [b"", b"\x93\x01", b"nonsense of some length"])
async def test_an_answer_that_is_none_is_missing(answer: bytes) -> None:
    nodes = Nodes()
    nodes.answer = answer
    assert await NodeUsages(nodes, clock=Clock()).of(["a"]) == {}


async def test_many_nodes_are_asked_some_at_a_time() -> None:
    nodes = Nodes()
    names = [f"n{index}" for index in range(500)]
    assert len(await NodeUsages(nodes, clock=Clock()).of(names)) == 500
    assert sorted(nodes.asked) == sorted(names)
