"""The container runtime as protocols, one per concern; the kubelet's parts each take the narrowest that they need.

`agent.runtime.docker` is the real one; `agent.runtime.fake` stands beside it for tests; both pass
tests/contract/test_runtime.py. Every method may raise RuntimeUnavailable and is safe to repeat unless it says otherwise.
A cancelled call never leaves the engine working behind the caller's back: it ends first, then CancelledError is raised.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Protocol

from agent.runtime.spec import (
    ContainerSpec,
    ContainerState,
    EngineInfo,
    Image,
    LogOptions,
    RegistryCredentials,
    ResourceLimits,
    RuntimeEvent,
    SandboxSpec,
)


class Lifecycle(Protocol):
    """Make and end containers. Ids are the engine's, full length."""

    async def create_sandbox(self, spec: SandboxSpec) -> str:
        """Raises Conflict when the name is taken, ImageNotFound when the image is not here (it is never pulled)."""
        ...

    async def create_container(self, spec: ContainerSpec) -> str:
        """Its sandbox must exist, not yet run. Raises as create_sandbox."""
        ...

    async def start(self, container_id: str) -> None:
        """Raises RuntimeFailure with the engine's words when the process cannot be started. Idempotent while it runs."""
        ...

    async def kill(self, container_id: str, signal: str) -> None:
        """Send a signal. Nothing happens when it does not run or does not exist."""
        ...

    async def update(self, container_id: str, limits: ResourceLimits) -> None:
        """Change limits of a container, running or not; those that are zero stay. Raises NotFound, RuntimeFailure."""
        ...

    async def remove(self, container_id: str) -> None:
        """Kill and remove. Nothing happens when it does not exist."""
        ...


class Inspection(Protocol):
    """See what is there."""

    async def list_containers(self, *, labels: Mapping[str, str] = {}) -> list[ContainerState]:
        """Every container that carries the house's mark and these labels, in any state.

        One that the engine is stuck on may be missing.
        """
        ...

    async def inspect(self, container_id: str) -> ContainerState | None:
        """None when it does not exist."""
        ...

    def events(self) -> AsyncIterator[RuntimeEvent]:
        """Endless: reconnects by itself; the first event after each (re)connect has no id (look at all)."""
        ...

    async def info(self) -> EngineInfo: ...


class Images(Protocol):
    async def image(self, reference: str) -> Image | None:
        """The image if it is on this host."""
        ...

    def pull(self, reference: str, credentials: RegistryCredentials | None) -> AsyncGenerator[None, None]:
        """Ends when the image is here; a step for each sign of progress. Closing it ends the pull.

        Raises RegistryUnavailable, ImageNotFound, RuntimeFailure with the registry's words.
        """
        ...

    async def images(self) -> list[Image]: ...

    async def import_image(self, reference: str, tar: bytes, command: Sequence[str]) -> None:
        """Make an image of one layer from a tar archive."""
        ...


class ImageRemoval(Protocol):
    """What garbage collection needs beside Images. Images belong to everyone on the host, so it sees everyone's use."""

    async def images_in_use(self) -> frozenset[str]:
        """Ids of the images of all containers on the engine, anyone's, in any state."""
        ...

    async def remove_image(self, reference: str) -> None:
        """Take a name (or an id) away; with the last one goes the image. Nothing happens when it does not exist.

        Raises Conflict while a container or another image stands on it.
        """
        ...


class Terminal(Protocol):
    """A process's standard streams, live. Used as an async context manager; leaving it closes the connection."""

    async def __aenter__(self) -> "Terminal": ...

    async def __aexit__(self, *exc: object) -> None: ...

    def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """Pieces of output with their channel (1 standard output, 2 standard error), until the end."""
        ...

    async def write(self, data: bytes) -> None: ...

    async def close_stdin(self) -> None: ...


class Exec(Terminal, Protocol):
    """A command run inside a container."""

    async def __aenter__(self) -> "Exec": ...

    async def resize(self, *, width: int, height: int) -> None: ...

    async def exit_code(self) -> int:
        """After the output's end."""
        ...

    async def kill(self) -> None:
        """End the command and what it has started. Nothing happens when it has ended or the engine is on another host."""
        ...


class Streams(Protocol):
    def logs(self, container_id: str, options: LogOptions) -> AsyncIterator[tuple[int, bytes]]:
        """Log pieces with their channel; ends at the log's end, or with `follow` when the container ends. Raises NotFound."""
        ...

    async def exec(
        self, container_id: str, command: Sequence[str], *, stdin: bool = False, tty: bool = False, env: Mapping[str, str] = {}
    ) -> Exec:
        """Prepare a command; entering the result starts it. Raises NotFound, Conflict when the container does not run."""
        ...

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> Terminal:
        """Join the container's own streams. Raises NotFound, Conflict."""
        ...

    async def resize(self, container_id: str, *, width: int, height: int) -> None: ...


class Networks(Protocol):
    async def ensure_network(self, name: str, *, subnet: str, gateway: str, bridge: str, mtu: int) -> int:
        """Make a bridge network without masquerading, or keep it when it is as asked; its MTU.

        One that differs is replaced when nothing uses it. While containers do, one with another MTU alone is kept. Raises
        Conflict when containers use one with another subnet, or when the subnet overlaps another.
        """
        ...


class ContainerRuntime(Lifecycle, Inspection, Images, ImageRemoval, Streams, Networks, Protocol):
    """All of it."""
