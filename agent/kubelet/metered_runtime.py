"""The container runtime with each call counted and timed, by kubelet's names of the operations. Made by the kubelet."""

import functools
import inspect
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Protocol, cast

from agent.runtime.errors import RuntimeFailure
from agent.runtime.protocol import ContainerRuntime

#: By the runtime's method. Streams are no operations: they last.
_OPERATIONS = {
    "create_sandbox": "run_podsandbox",
    "create_container": "create_container",
    "start": "start_container",
    "kill": "stop_container",
    "remove": "remove_container",
    "update": "update_container_resources",
    "list_containers": "list_containers",
    "inspect": "container_status",
    "image": "image_status",
    "images": "list_images",
    "pull": "pull_image",
    "remove_image": "remove_image",
    "info": "status",
    "exec": "exec",
    "attach": "attach",
}


class Operations(Protocol):
    def operation(self, name: str, seconds: float, *, failed: bool) -> None: ...


class _Metered:
    def __init__(self, runtime: ContainerRuntime, metrics: Operations) -> None:
        self._runtime = runtime
        self._metrics = metrics

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._runtime, name)
        operation = _OPERATIONS.get(name)
        if operation is not None:
            timed = _timed_progress if inspect.isasyncgenfunction(found) else _timed
            found = timed(found, operation, self._metrics)
        setattr(self, name, found)
        return found


def metered(runtime: ContainerRuntime, metrics: Operations) -> ContainerRuntime:
    return cast(ContainerRuntime, _Metered(runtime, metrics))


def _timed(call: Callable[..., Awaitable[Any]], operation: str, metrics: Operations) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(call)
    async def timed(*arguments: Any, **named: Any) -> Any:
        with _timer(operation, metrics):
            return await call(*arguments, **named)

    return timed


def _timed_progress(
    call: Callable[..., AsyncGenerator[Any, None]], operation: str, metrics: Operations
) -> Callable[..., AsyncGenerator[Any, None]]:
    """Of a call that tells its progress: until it ends."""

    @functools.wraps(call)
    async def timed(*arguments: Any, **named: Any) -> AsyncGenerator[Any, None]:
        with _timer(operation, metrics):
            async with aclosing(call(*arguments, **named)) as progress:
                async for step in progress:
                    yield step

    return timed


@contextmanager
def _timer(operation: str, metrics: Operations) -> Iterator[None]:
    began = time.monotonic()
    failed = False
    try:
        yield
    except RuntimeFailure:
        failed = True
        raise
    finally:
        metrics.operation(operation, time.monotonic() - began, failed=failed)
