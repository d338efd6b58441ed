"""A container runtime in memory, for tests of what stands on the protocol. Passes tests/contract/test_runtime.py.

Processes are only told of: a container runs until `finish` or a signal ends it. `ignores` names containers whose process does
not end by anything but SIGKILL. Streams are those of a program that prints its command and reads nothing.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime

from agent.runtime.errors import Conflict, ImageNotFound, NotFound
from agent.runtime.spec import (
    ContainerSpec,
    ContainerState,
    EngineInfo,
    Image,
    LogOptions,
    RegistryCredentials,
    ResourceLimits,
    Resources,
    RuntimeEvent,
    SandboxSpec,
)

_KILLED = 137
_TERMINATED = 143


class FakeTerminal:
    def __init__(self, output: bytes) -> None:
        self._output = output

    async def __aenter__(self) -> "FakeTerminal":
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        yield 1, self._output

    async def write(self, data: bytes) -> None:
        return None

    async def close_stdin(self) -> None:
        return None


class FakeExec(FakeTerminal):
    def __init__(self, output: bytes, code: int) -> None:
        super().__init__(output)
        self._code = code

    async def __aenter__(self) -> "FakeExec":
        return self

    async def resize(self, *, width: int, height: int) -> None:
        return None

    async def exit_code(self) -> int:
        return self._code

    async def kill(self) -> None:
        return None


class FakeRuntime:
    """images: references that are on this host. Commands that are executed end with `exec_code`."""

    def __init__(self, images: Sequence[str] = ()) -> None:
        self.containers: dict[str, ContainerState] = {}
        self.ignores: set[str] = set()
        self.exec_code = 0
        #: What can be pulled.
        self.registry: set[str] = set()
        #: Every start that was made: container names in order.
        self.starts: list[str] = []
        self._images = {reference: _image(reference) for reference in images}
        self._output: dict[str, bytes] = {}
        self._ids = itertools.count(1)
        self._addresses = itertools.count(2)
        self._subscribers: list[asyncio.Queue[RuntimeEvent]] = []
        self._networks: dict[str, str] = {}

    async def create_sandbox(self, spec: SandboxSpec) -> str:
        return self._create(spec.name, spec.image, spec.labels, b"", Resources())

    async def create_container(self, spec: ContainerSpec) -> str:
        if spec.sandbox_id not in self.containers:
            raise NotFound(f"No such container: {spec.sandbox_id}")
        output = " ".join((*spec.command, *spec.args)).encode()
        return self._create(spec.name, spec.image, spec.labels, output, spec.resources)

    def _create(self, name: str, image: str, labels: Mapping[str, str], output: bytes, resources: Resources) -> str:
        if image not in self._images:
            raise ImageNotFound(f"No such image: {image}")
        if any(state.name == name for state in self.containers.values()):
            raise Conflict(f"The container name {name} is already in use")
        container_id = f"{next(self._ids):064x}"
        self.containers[container_id] = ContainerState(
            id=container_id,
            name=name,
            labels=dict(labels),
            phase="created",
            created_at=datetime.now(UTC),
            image=image,
            image_id=self._images[image].id,
            limits=ResourceLimits(resources.cpu_shares, resources.cpu_quota, resources.cpu_period, resources.memory),
        )
        self._output[container_id] = output
        self._tell(container_id, "create")
        return container_id

    async def start(self, container_id: str) -> None:
        state = self._get(container_id)
        if state.running:
            return
        self.starts.append(state.name)
        ips = (f"10.99.0.{next(self._addresses)}",) if state.is_sandbox else ()
        self.containers[container_id] = replace(state, phase="running", started_at=datetime.now(UTC), ips=ips, pid=1)
        self._tell(container_id, "start")

    async def kill(self, container_id: str, signal: str) -> None:
        state = self.containers.get(container_id)
        if state is None or not state.running:
            return
        if signal == "SIGKILL":
            self.finish(container_id, _KILLED)
        elif state.name not in self.ignores:
            self.finish(container_id, _TERMINATED)

    def finish(self, container_id: str, exit_code: int) -> None:
        """The container's process ends."""
        state = self._get(container_id)
        self.containers[container_id] = replace(
            state, phase="exited", exit_code=exit_code, finished_at=datetime.now(UTC), ips=(), pid=0
        )
        self._tell(container_id, "die")

    def run_out_of_memory(self, container_id: str) -> None:
        """The kernel kills the container's process, and the engine hears of the exit before the reason."""
        self.finish(container_id, _KILLED)
        self._tell(container_id, "oom")

    async def update(self, container_id: str, limits: ResourceLimits) -> None:
        state = self._get(container_id)
        changed = {name: value for name, value in asdict(limits).items() if value}
        self.containers[container_id] = replace(state, limits=replace(state.limits, **changed))

    async def remove(self, container_id: str) -> None:
        if container_id in self.containers:
            await self.kill(container_id, "SIGKILL")
            del self.containers[container_id]
            self._tell(container_id, "destroy")

    async def list_containers(self, *, labels: Mapping[str, str] = {}) -> list[ContainerState]:
        return [state for state in self.containers.values() if labels.items() <= dict(state.labels).items()]

    async def inspect(self, container_id: str) -> ContainerState | None:
        return self.containers.get(container_id)

    async def events(self) -> AsyncIterator[RuntimeEvent]:
        queue: asyncio.Queue[RuntimeEvent] = asyncio.Queue()
        self._subscribers.append(queue)
        try:
            yield RuntimeEvent()
            while True:
                yield await queue.get()
        finally:
            self._subscribers.remove(queue)

    async def info(self) -> EngineInfo:
        return EngineInfo("fake", "1", "Linux", "6", "x86_64", 2, 1 << 30, "/")

    async def image(self, reference: str) -> Image | None:
        return self._images.get(reference) or next((one for one in self._images.values() if one.id == reference), None)

    async def pull(self, reference: str, credentials: RegistryCredentials | None) -> AsyncGenerator[None, None]:
        if reference not in self.registry:
            raise ImageNotFound(f"manifest for {reference} not found")
        yield
        self._images[reference] = _image(reference)

    async def images_in_use(self) -> frozenset[str]:
        return frozenset(state.image_id for state in self.containers.values())

    async def remove_image(self, reference: str) -> None:
        image = await self.image(reference)
        if image is None:
            return
        if image.id in await self.images_in_use():
            raise Conflict(f"conflict: unable to remove {reference}: a container uses it")
        self._images = {name: one for name, one in self._images.items() if one.id != image.id}

    async def images(self) -> list[Image]:
        return list(self._images.values())

    async def import_image(self, reference: str, tar: bytes, command: Sequence[str]) -> None:
        self._images[reference] = _image(reference)

    async def logs(self, container_id: str, options: LogOptions) -> AsyncIterator[tuple[int, bytes]]:
        self._get(container_id)
        yield 1, self._output[container_id]

    async def exec(
        self, container_id: str, command: Sequence[str], *, stdin: bool = False, tty: bool = False, env: Mapping[str, str] = {}
    ) -> FakeExec:
        if not self._get(container_id).running:
            raise Conflict(f"Container {container_id} is not running")
        return FakeExec(" ".join(command).encode(), self.exec_code)

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> FakeTerminal:
        self._get(container_id)
        return FakeTerminal(self._output[container_id])

    async def resize(self, container_id: str, *, width: int, height: int) -> None:
        self._get(container_id)

    async def ensure_network(self, name: str, *, subnet: str, gateway: str, bridge: str, mtu: int) -> int:
        self._networks[name] = subnet
        return mtu

    def _get(self, container_id: str) -> ContainerState:
        try:
            return self.containers[container_id]
        except KeyError as error:
            raise NotFound(f"No such container: {container_id}") from error

    def _tell(self, container_id: str, action: str) -> None:
        for queue in self._subscribers:
            queue.put_nowait(RuntimeEvent(container_id, action))


def _image(reference: str) -> Image:
    return Image(id=f"sha256:{reference}", tags=(reference,), digests=(), size=1)
