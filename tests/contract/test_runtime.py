"""What every container runtime must do. Runs over Docker, over Podman and over the fake that other tests stand on."""

import asyncio
import io
import tarfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agent.runtime.docker import DockerRuntime
from agent.runtime.errors import Conflict, ImageNotFound, NotFound, RuntimeFailure, RuntimeUnavailable
from agent.runtime.fake import FakeRuntime
from agent.runtime.protocol import ContainerRuntime
from agent.runtime.spec import (
    LABEL_KIND,
    ContainerSpec,
    ContainerState,
    LogOptions,
    Mount,
    ResourceLimits,
    Resources,
    RuntimeEvent,
    SandboxSpec,
    Security,
)
from tests.hosts.podman import podman_service

DOCKER = "unix:///run/docker.sock"


class World:
    """A runtime with one image of a static busybox; names and labels of its own."""

    def __init__(
        self, runtime: ContainerRuntime, mark: str, *, name: str = "fake", changes_limits: bool = True, tells_oom: bool = True
    ) -> None:
        self.runtime = runtime
        #: The engine.
        self.name = name
        #: Whether the engine can change limits of what runs: Podman 4.3 has no such request, and its own forgets them.
        self.changes_limits = changes_limits
        #: Podman's conmon 2.1 misses it with version 1 of control groups.
        self.tells_oom = tells_oom
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

    async def running(self, *command: str, **spec: Any) -> tuple[str, str]:
        """A sandbox and a container with these fields of its spec."""
        sandbox = await self.runtime.create_sandbox(self.sandbox())
        await self.runtime.start(sandbox)
        container = await self.runtime.create_container(replace(self.container(sandbox, *command), **spec))
        await self.runtime.start(container)
        return sandbox, container

    async def ended(self, container_id: str) -> ContainerState:
        """The container once it has ended."""
        async with asyncio.timeout(20):
            while (state := await self.runtime.inspect(container_id)) is None or state.running:
                await asyncio.sleep(0.05)
        return state

    async def log(self, container_id: str, options: LogOptions) -> list[tuple[int, bytes]]:
        """Its pieces by channel, joined."""
        found: dict[int, bytes] = {}
        async for channel, piece in self.runtime.logs(container_id, options):
            found[channel] = found.get(channel, b"") + piece
        return sorted(found.items())

    async def run(self, container_id: str, *command: str, **options: Any) -> tuple[bytes, int]:
        """A busybox command's output and exit code."""
        output = b""
        async with await self.runtime.exec(container_id, ["/bin/busybox", *command], **options) as running:
            async for _, piece in running.output():
                output += piece
            return output, await running.exit_code()


def busybox() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add("/bin/busybox", "bin/busybox")
    return buffer.getvalue()


_REAL = [pytest.mark.docker, pytest.mark.root]


@pytest.fixture(scope="module")
def podman() -> Iterator[str]:
    """Podman's service; its URL."""
    with podman_service() as url:
        yield url


@pytest.fixture(params=["fake", pytest.param("docker", marks=_REAL), pytest.param("podman", marks=_REAL)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "fake":
        made = World(FakeRuntime(), _mark())
        await made.runtime.import_image(made.image, b"", _COMMAND)
        yield made
        return
    async with _on_engine(request) as made:
        yield made


@pytest.fixture(params=[pytest.param("docker", marks=_REAL), pytest.param("podman", marks=_REAL)])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """For what only a real engine can show."""
    async with _on_engine(request) as made:
        yield made


_COMMAND = ("/bin/busybox", "sleep", "1000")


def _mark() -> str:
    return f"wherry-test-{uuid.uuid4().hex[:8]}"


@asynccontextmanager
async def _on_engine(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    url = DOCKER if request.param == "docker" else str(request.getfixturevalue("podman"))
    mark = _mark()
    async with DockerRuntime(url) as runtime:
        full = request.param == "docker"
        made = World(runtime, mark, name=request.param, changes_limits=full, tells_oom=full)
        await runtime.import_image(made.image, busybox(), _COMMAND)
        try:
            yield made
        finally:
            for state in sorted(await runtime.list_containers(labels={"test": mark}), key=lambda state: state.is_sandbox):
                await runtime.remove(state.id)
            await runtime.remove_network(mark)
            await runtime.remove_image(made.image)


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
    if not world.changes_limits:
        with pytest.raises(RuntimeFailure) as refused:
            await runtime.update(container, ResourceLimits(memory=96 << 20))
        assert not isinstance(refused.value, NotFound)
        assert await runtime.inspect(container) == before
        return
    await runtime.update(container, ResourceLimits(memory=96 << 20))
    await runtime.update(container, ResourceLimits(cpu_shares=204, cpu_quota=40_000, cpu_period=100_000))
    after = await runtime.inspect(container)
    assert after is not None
    assert after.limits == ResourceLimits(cpu_shares=204, cpu_quota=40_000, cpu_period=100_000, memory=96 << 20)
    assert (after.running, after.started_at, after.pid) == (True, before.started_at, before.pid)
    with pytest.raises(NotFound):
        await runtime.update("0" * 64, ResourceLimits(memory=96 << 20))


async def test_the_engine_says_which_it_is(engine: World) -> None:
    info = await engine.runtime.info()
    assert info.name == engine.name
    assert info.version
    assert info.cpus > 0
    assert await asyncio.to_thread(Path(info.root).is_dir)


async def test_containers_of_a_sandbox_share_its_address_and_name(engine: World) -> None:
    runtime = engine.runtime
    subnet = "10.213.7.0/24"
    network = {"subnet": subnet, "gateway": "10.213.7.1", "bridge": f"wht{engine.mark[-8:]}", "mtu": 1400}
    assert await runtime.ensure_network(engine.mark, **network) == 1400  # type: ignore[arg-type]
    assert await runtime.ensure_network(engine.mark, **network) == 1400  # type: ignore[arg-type]
    sandbox = await runtime.create_sandbox(replace(engine.sandbox(), network=engine.mark))
    await runtime.start(sandbox)
    state = await runtime.inspect(sandbox)
    assert state is not None
    [address] = state.ips
    assert address.startswith("10.213.7.")
    container = await runtime.create_container(engine.container(sandbox, "sleep", "1000"))
    await runtime.start(container)
    output, code = await engine.run(container, "ip", "-o", "-4", "addr", "show", "eth0")
    assert (address.encode() in output, code) == (True, 0)
    assert b"mtu 1400" in (await engine.run(container, "ip", "link", "show", "eth0"))[0]
    assert (await engine.run(container, "hostname"))[0] == b"pod\n"
    with pytest.raises(Conflict):
        await runtime.ensure_network(engine.mark, **(network | {"subnet": "10.213.8.0/24", "gateway": "10.213.8.1"}))  # type: ignore[arg-type]


async def test_a_container_is_made_as_its_spec_says(engine: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from the host\n")
    _, container = await engine.running(
        "sleep",
        "1000",
        env=("A=b c",),
        working_dir="/bin",
        mounts=(Mount(str(tmp_path / "file"), "/data", read_only=True),),
        security=Security(user="1000:2000", supplemental_groups=(3000,), read_only_root=True, no_new_privileges=True),
        resources=Resources(memory=64 << 20, cpu_shares=512, cpu_quota=50_000),
    )
    script = "echo $A; pwd; $B cat /data; $B id -u; $B id -G; $B grep NoNewPrivs /proc/self/status; $B touch /x /data; exit 7"
    output, code = await engine.run(container, "sh", "-c", script, env={"B": "/bin/busybox"})
    text = output.decode()
    assert code == 7, text
    assert "b c\n/bin\nfrom the host" in text
    assert "1000\n2000 3000\n" in text
    assert "NoNewPrivs:\t1" in text
    assert text.count("ead-only file system") == 2
    state = await engine.runtime.inspect(container)
    assert state is not None
    assert state.limits == ResourceLimits(cpu_shares=512, cpu_quota=50_000, cpu_period=100_000, memory=64 << 20)
    assert state.image == engine.image


async def test_a_log_is_cut_stamped_and_kept_after_the_end(engine: World) -> None:
    _, container = await engine.running(
        "sh", "-c", "PATH=/bin; for i in 1 2 3 4; do echo line $i; done; busybox sleep 0.3; echo wrong >&2"
    )
    assert (await engine.ended(container)).exit_code == 0
    assert await engine.log(container, LogOptions()) == [(1, b"line 1\nline 2\nline 3\nline 4\n"), (2, b"wrong\n")]
    assert b"".join(piece for _, piece in await engine.log(container, LogOptions(tail=1))) == b"wrong\n"
    assert await engine.log(container, LogOptions(since=time.time() + 60)) == []
    stamped = (await engine.log(container, LogOptions(timestamps=True, tail=1)))[0][1].decode()
    moment, _, line = stamped.partition(" ")
    assert line == "wrong\n"
    assert abs(datetime.fromisoformat(moment).timestamp() - time.time()) < 60


async def test_a_terminal_takes_input_and_is_resized(engine: World) -> None:
    _, container = await engine.running("sleep", "1000")
    running = await engine.runtime.exec(container, ["/bin/busybox", "sh"], stdin=True, tty=True)
    output = b""
    async with asyncio.timeout(20), running:
        await running.resize(width=77, height=11)
        await running.write(b"/bin/busybox stty size; exit 3\n")
        async for _, piece in running.output():
            output += piece
        assert await running.exit_code() == 3
    assert b"11 77" in output


async def test_standard_input_reaches_an_attached_container(engine: World) -> None:
    sandbox = await engine.runtime.create_sandbox(engine.sandbox())
    await engine.runtime.start(sandbox)
    container = await engine.runtime.create_container(replace(engine.container(sandbox, "cat"), stdin=True, stdin_once=True))
    await engine.runtime.start(container)
    output = b""
    async with asyncio.timeout(20), await engine.runtime.attach(container, stdin=True, tty=False) as terminal:
        await terminal.write(b"through\n")
        await terminal.close_stdin()
        async for _, piece in terminal.output():
            output += piece
    assert output == b"through\n"
    assert (await engine.ended(container)).exit_code == 0


async def test_a_command_that_is_not_there_fails_its_start(engine: World) -> None:
    sandbox = await engine.runtime.create_sandbox(engine.sandbox())
    await engine.runtime.start(sandbox)
    container = await engine.runtime.create_container(replace(engine.container(sandbox), command=("/none",)))
    with pytest.raises(RuntimeFailure):
        await engine.runtime.start(container)
    state = await engine.runtime.inspect(container)
    assert state is not None
    assert not state.running


async def test_running_out_of_memory_is_told(engine: World) -> None:
    _, container = await engine.running(
        "dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1", resources=Resources(memory=16 << 20)
    )
    state = await engine.ended(container)
    assert state.exit_code == 137
    assert state.oom_killed or not engine.tells_oom


async def test_an_image_in_use_stays(engine: World) -> None:
    runtime = engine.runtime
    image = await runtime.image(engine.image)
    assert image is not None
    await engine.running("sleep", "1000")
    assert image.id in await runtime.images_in_use()
    with pytest.raises(Conflict):
        await runtime.remove_image(engine.image)
    assert await runtime.image(image.id) is not None
    for state in sorted(await runtime.list_containers(labels={"test": engine.mark}), key=lambda state: state.is_sandbox):
        await runtime.remove(state.id)
    await runtime.remove_image(engine.image)
    await runtime.remove_image(engine.image)
    assert await runtime.image(engine.image) is None
    assert image.id not in await runtime.images_in_use()
