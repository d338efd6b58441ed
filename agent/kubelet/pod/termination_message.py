"""What a container wanted to say at its end.

https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
"""

import asyncio
import os
from pathlib import Path

from lightkube.models.core_v1 import Container

from agent.runtime.errors import RuntimeFailure
from agent.runtime.protocol import Streams
from agent.runtime.spec import ContainerState, LogOptions

_MAX_BYTES = 4096
_MAX_LOG_BYTES = 2048
_MAX_LOG_LINES = 80


async def termination_message(container: Container, state: ContainerState, path: Path, streams: Streams) -> str:
    """The end of its file; with FallbackToLogsOnError the log's tail when it failed and said nothing."""
    message = await asyncio.to_thread(_read, path)
    if message or not state.exit_code or container.terminationMessagePolicy != "FallbackToLogsOnError":
        return message
    tail = bytearray()
    try:
        async for _, piece in streams.logs(state.id, LogOptions(tail=_MAX_LOG_LINES)):
            tail += piece
            del tail[:-_MAX_LOG_BYTES]
    except RuntimeFailure:
        return ""
    return tail.decode("utf-8", "replace")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _MAX_BYTES))
            return file.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
