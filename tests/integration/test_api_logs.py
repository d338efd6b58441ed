"""GET pods/{name}/log over real TLS and kubectl, with a node that is a coroutine behind a real Stream."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from master.client.errors import StatusError
from proto.messages import Message, StreamOpen
from proto.stream import Stream
from tests.integration.api_world import ApiWorld, api_world

Json = dict[str, Any]
PODS = "/api/v1/namespaces/default/pods"


class LoggingNode:
    """NodeStreams whose node writes lines, and with `follow` more of them until the stream ends."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self.opened: list[StreamOpen] = []
        self.connected = True
        self.ended = asyncio.Event()

    async def open(self, node: str, request: StreamOpen) -> Stream:
        if not self.connected:
            raise StatusError(503, "ServiceUnavailable", f"node {node} is not connected")
        self.opened.append(request)

        async def to_agent(message: Message) -> None:
            await agent_end.deliver(message)

        async def to_master(message: Message) -> None:
            await master_end.deliver(message)

        master_end, agent_end = Stream(to_agent), Stream(to_master)
        self._tasks.create_task(self._write(request, agent_end))
        return master_end

    async def _write(self, request: StreamOpen, stream: Stream) -> None:
        await stream.write(1, b"one\ntwo\n")
        if request.options.get("follow"):
            await stream.write(1, b"three\n")
            while not stream.closed:
                await asyncio.sleep(0.01)
        await stream.close()
        self.ended.set()


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[tuple[ApiWorld, LoggingNode]]:
    async with asyncio.TaskGroup() as tasks:
        node = LoggingNode(tasks)
        async with api_world(tmp_path, streams=node) as world:
            yield world, node


async def running_pod(world: ApiWorld, name: str, *containers: str, state: Json | None = None) -> None:
    """A pod bound to a node, with the status that its agent would report."""
    spec = {"containers": [{"name": container, "image": "i"} for container in containers]}
    binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": "n1"}}
    statuses = [
        {"name": container, "ready": True, "restartCount": 0, "image": "i", "imageID": "", "state": state or {"running": {}}}
        for container in containers
    ]
    async with world.http(world.admin()) as http:
        async with http.post(PODS, json={"metadata": {"name": name}, "spec": spec}) as response:
            assert response.status == 201, await response.text()
        async with http.post(f"{PODS}/{name}/binding", json=binding) as response:
            assert response.status == 201, await response.text()
        headers = {"Content-Type": "application/merge-patch+json"}
        status = {"status": {"phase": "Running", "containerStatuses": statuses}}
        async with http.patch(f"{PODS}/{name}/status", json=status, headers=headers) as response:
            assert response.status == 200, await response.text()


async def logs(http: aiohttp.ClientSession, query: str) -> tuple[int, str]:
    async with http.get(f"{PODS}/{query}") as response:
        if response.content_type == "application/json":
            return response.status, (await response.json())["message"]
        return response.status, await response.text()


async def test_kubectl_shows_and_follows_logs(parts: tuple[ApiWorld, LoggingNode]) -> None:
    world, node = parts
    await running_pod(world, "p", "c")
    for version in ("1.27", "1.33"):
        assert await world.ok("logs", "p", "--tail=5", "--timestamps", version=version) == "one\ntwo\n"
        opened = node.opened[-1]
        assert (opened.kind, opened.pod, opened.container) == ("logs", "p", "c")
        assert opened.options == {"timestamps": True, "tailLines": 5}
    followed = await world.kubectl("logs", "-f", "p", "--since=10s", "--request-timeout=1s")
    assert followed.out == "one\ntwo\nthree\n"
    assert node.opened[-1].options == {"follow": True, "sinceSeconds": 10}
    async with asyncio.timeout(5):
        await node.ended.wait()


async def test_what_has_no_log_is_said_in_kubernetes_words(parts: tuple[ApiWorld, LoggingNode]) -> None:
    world, node = parts
    await running_pod(world, "two", "a", "b")
    await running_pod(world, "waiting", "c", state={"waiting": {"reason": "ContainerCreating"}})
    await running_pod(world, "pulling", "c", state={"waiting": {"reason": "ImagePullBackOff"}})
    await running_pod(world, "p", "c")
    async with world.http(world.admin()) as http:
        for query, code, message in (
            ("none/log", 404, 'pods "none" not found'),
            ("two/log", 400, "a container name must be specified for pod two, choose one of: [a b]"),
            ("two/log?container=x", 400, "container x is not valid for pod two"),
            ("waiting/log", 400, 'container "c" in pod "waiting" is waiting to start: ContainerCreating'),
            ("pulling/log", 400, 'container "c" in pod "pulling" is waiting to start: trying and failing to pull image'),
            ("p/log?previous=true", 400, 'previous terminated container "c" in pod "p" not found'),
            ("p/log?tailLines=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ):
            assert await logs(http, query) == (code, message)
        status, message = await logs(http, "p/log?tailLines=-1&limitBytes=0")
        assert status == 422
        assert "tailLines: Invalid value: -1: must be greater than or equal to 0" in message
        node.connected = False
        assert await logs(http, "p/log") == (503, "node n1 is not connected")
