"""A container's log as a stream. https://kubernetes.io/docs/reference/kubectl/generated/kubectl_logs/"""

from collections.abc import Mapping
from datetime import datetime
from time import time
from typing import Any

from agent.kubelet.pod.grace import race, single_failure
from agent.kubelet.streams.refused import StreamRefused
from agent.runtime.protocol import Streams
from agent.runtime.spec import ContainerState, LogOptions
from proto.stream import Stream

_CHANNEL = 1


def log_options(options: Mapping[str, Any]) -> LogOptions:
    """Raises StreamRefused for values that are none."""
    since = None
    try:
        if options.get("sinceSeconds") is not None:
            since = time() - float(options["sinceSeconds"])
        elif options.get("sinceTime"):
            since = datetime.fromisoformat(str(options["sinceTime"])).timestamp()
        tail = int(options["tailLines"]) if options.get("tailLines") is not None else None
    except (ValueError, TypeError) as error:
        raise StreamRefused(f"invalid log options: {error}", 400) from error
    return LogOptions(bool(options.get("follow")), bool(options.get("timestamps")), tail, since)


async def send_log(runtime: Streams, state: ContainerState, options: LogOptions, stream: Stream, *, limit: int | None) -> None:
    """Until the log's end (with follow: the container's), `limit` bytes, or the reader's leaving."""

    async def send() -> None:
        left = limit
        async for _, piece in runtime.logs(state.id, options):
            if left is not None:
                piece = piece[:left]
                left -= len(piece)
            if piece:
                await stream.write(_CHANNEL, piece)
            if left == 0:
                return

    async def gone() -> None:
        async for _ in stream.frames():
            pass

    async with single_failure():
        await race(send(), gone())
