"""What every container runtime must do. Runs over Docker and over the fake that other tests stand on."""

import asyncio
import io
import tarfile
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import docker
import pytest

from agent.runtime.docker import DockerRuntime
from agent.runtime.errors import Conflict, ImageNotFound, NotFound, RuntimeUnavailable
from agent.runtime.fake import FakeRuntime
from agent.runtime.protocol import ContainerRuntime
from agent.runtime.spec import (
    LABEL_KIND,
    ContainerSpec,
    LogOptions,
    ResourceLimits,
    Resources,
    RuntimeEvent,
    SandboxSpec,
)

DOCKER = "unix:///run/docker.sock"


class World:
    """A runtime with one image of a static busybox; names and labels of its own."""

    def __init__(self, runtime: ContainerRuntime, mark: str) -> None:
        self.runtime = runtime
        self.mark = mark
        self.image = f"{mark}:1"

    def sandbox(self, name: str = "sandbox") -> SandboxSpec:
        labels = {LABEL_KIND: "sandbox", "test": self.mark}
        return SandboxSpec(name=f"{self.mark}-{name}", image=self.image, labels=labels, hostname="pod")

    def container(self, sandbox_id: str, *command: str, name: str = "c") -> ContainerSpec:
        labels = {LABEL_KIND: "container", "test": self.mark}
        return ContainerSpec(
            name=f"{self.mark}-{name}",
            image=self.image,
            labels=labels,
            sandbox_id=sandbox_id,
            command=("/bin/busybox", *command),
        )

    async def running(self, *command: str) -> tuple[str, str]:
        sandbox = await self.runtime.create_sandbox(self.sandbox())
        await self.runtime.start(sandbox)
        container = await self.runtime.create_container(self.container(sandbox, *command))
        await self.runtime.start(container)
        return sandbox, container


def busybox() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add("/bin/busybox", "bin/busybox")
    return buffer.getvalue()


@pytest.fixture(params=["fake", pytest.param("docker", marks=[pytest.mark.docker, pytest.mark.root])])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    mark = f"wherry-test-{uuid.uuid4().hex[:8]}"
    command = ["/bin/busybox", "sleep", "1000"]
    if request.param == "fake":
        made = World(FakeRuntime(), mark)
        await made.runtime.import_image(made.image, b"", command)
        yield made
        return
    async with DockerRuntime(DOCKER) as runtime:
        made = World(runtime, mark)
        await runtime.import_image(made.image, busybox(), command)
        try:
            yield made
        finally:
            for state in await runtime.list_containers(labels={"test": mark}):
                await runtime.remove(state.id)
            client = docker.APIClient(DOCKER, version="auto")
            client.remove_image(made.image, force=True)
            client.close()


async def test_a_container_goes_from_created_to_running_to_exited(world: World) -> None:
    runtime = world.runtime
    sandbox = await runtime.create_sandbox(world.sandbox())
    # Made before its sandbox runs, as the kubelet does to save time.
    container = await runtime.create_container(world.container(sandbox, "sleep", "1000"))
    seen = await runtime.inspect(container)
    assert seen is not None
    assert (seen.phase, seen.started_at, seen.finished_at) == ("created", None, None)
    await runtime.start(sandbox)
    await runtime.start(container)
    await runtime.start(container)
    seen = await runtime.inspect(container)
    assert seen is not None
    assert seen.running
    assert seen.started_at is not None
    assert seen.labels["test"] == world.mark
    await runtime.kill(container, "SIGKILL")
    async with asyncio.timeout(10):
        while (seen := await runtime.inspect(container)) is None or seen.running:
            await asyncio.sleep(0.02)
    assert (seen.phase, seen.exit_code) == ("exited", 137)
    assert seen.finished_at is not None
    await runtime.kill(container, "SIGTERM")
    listed = {state.id: state.phase for state in await runtime.list_containers(labels={"test": world.mark})}
    assert listed == {sandbox: "running", container: "exited"}
    for one in (container, sandbox):
        await runtime.remove(one)
        await runtime.remove(one)
    assert await runtime.inspect(container) is None
    assert await runtime.list_containers(labels={"test": world.mark}) == []


async def test_a_name_is_given_once(world: World) -> None:
    await world.runtime.create_sandbox(world.sandbox())
    with pytest.raises(Conflict):
        await world.runtime.create_sandbox(world.sandbox())


async def test_what_is_not_there_is_told_so(world: World) -> None:
    runtime = world.runtime
    missing = SandboxSpec(
        name=f"{world.mark}-x", image=f"{world.mark}:none", labels={LABEL_KIND: "sandbox", "test": world.mark}
    )
    with pytest.raises(ImageNotFound):
        await runtime.create_sandbox(missing)
    assert await runtime.image(f"{world.mark}:none") is None
    found = await runtime.image(world.image)
    assert found is not None
    assert world.image in found.tags
    assert found.id in {image.id for image in await runtime.images()}
    with pytest.raises(NotFound):
        await runtime.start("0" * 64)
    with pytest.raises(NotFound):
        await runtime.exec("0" * 64, ["true"])
    await runtime.kill("0" * 64, "SIGKILL")


async def test_events_tell_what_happened_after_the_first_which_says_look_at_all(world: World) -> None:
    runtime, seen = world.runtime, list[RuntimeEvent]()
    begun = asyncio.Event()

    async def read() -> None:
        async with aclosing(runtime.events()) as events:  # type: ignore[type-var]
            async for event in events:
                seen.append(event)
                begun.set()

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(read())
        await begun.wait()
        sandbox = await runtime.create_sandbox(world.sandbox())
        await runtime.start(sandbox)
        await runtime.remove(sandbox)
        async with asyncio.timeout(10):
            while (sandbox, "destroy") not in {(one.container_id, one.action) for one in seen}:
                await asyncio.sleep(0.02)
        reading.cancel()
    assert seen[0] == RuntimeEvent()
    assert [one.action for one in seen if one.container_id == sandbox] == ["create", "start", "die", "destroy"]


async def test_a_command_runs_inside_a_container(world: World) -> None:
    _, container = await world.running("sleep", "1000")
    output = b""
    async with await world.runtime.exec(container, ["/bin/busybox", "echo", "hi"]) as running:
        async for _, piece in running.output():
            output += piece
        assert await running.exit_code() == 0
    assert b"hi" in output
    await world.runtime.kill(container, "SIGKILL")
    async with asyncio.timeout(10):
        while (state := await world.runtime.inspect(container)) is None or state.running:
            await asyncio.sleep(0.02)
    with pytest.raises(Conflict):
        await world.runtime.exec(container, ["/bin/busybox", "true"])


async def test_a_command_that_is_killed_ends_with_all_that_it_started(world: World) -> None:
    _, container = await world.running("sleep", "1000")
    command = ["/bin/busybox", "sh", "-c", "/bin/busybox sleep 1000; true"]
    async with asyncio.timeout(10), await world.runtime.exec(container, command) as running:
        await asyncio.sleep(0.2)
        await running.kill()
        # Whatever still ran would keep the output open.
        async for _ in running.output():
            pass
    state = await world.runtime.inspect(container)
    assert state is not None
    assert state.running


async def test_a_log_ends(world: World) -> None:
    _, container = await world.running("echo", "hello")
    output = b""
    async with asyncio.timeout(10):
        async for _, piece in world.runtime.logs(container, LogOptions(follow=True)):
            output += piece
    assert b"hello" in output
    with pytest.raises(NotFound):
        async for _ in world.runtime.logs("0" * 64, LogOptions()):
            pass


@pytest.mark.docker
async def test_an_engine_that_is_not_there_is_unavailable_and_found_later() -> None:
    async with DockerRuntime("unix:///nonexistent/docker.sock") as runtime:
        with pytest.raises(RuntimeUnavailable):
            await runtime.list_containers()
        with pytest.raises(RuntimeUnavailable):
            async for _ in runtime.logs("0" * 64, LogOptions()):
                pass


async def test_limits_change_while_it_runs_and_what_is_not_named_stays(world: World) -> None:
    runtime = world.runtime
    sandbox = await runtime.create_sandbox(world.sandbox())
    await runtime.start(sandbox)
    spec = world.container(sandbox, "sleep", "1000")
    resources = Resources(cpu_shares=102, cpu_quota=20_000, cpu_period=100_000, memory=64 << 20)
    container = await runtime.create_container(replace(spec, resources=resources))
    await runtime.start(container)
    before = await runtime.inspect(container)
    assert before is not None
    assert before.limits == ResourceLimits(cpu_shares=102, cpu_quota=20_000, cpu_period=100_000, memory=64 << 20)
    await runtime.update(container, ResourceLimits(memory=96 << 20))
    await runtime.update(container, ResourceLimits(cpu_shares=204, cpu_quota=40_000, cpu_period=100_000))
    after = await runtime.inspect(container)
    assert after is not None
    assert after.limits == ResourceLimits(cpu_shares=204, cpu_quota=40_000, cpu_period=100_000, memory=96 << 20)
    assert (after.running, after.started_at, after.pid) == (True, before.started_at, before.pid)
    with pytest.raises(NotFound):
        await runtime.update("0" * 64, ResourceLimits(memory=96 << 20))
