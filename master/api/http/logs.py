"""GET pods/{name}/log: a container's log from its node, as plain text or in the messages of a WebSocket.

Rules and words: pkg/registry/core/pod/strategy.go (LogLocation), pkg/kubelet (validateContainerLogStatus).
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import datetime

from aiohttp import web

from master.api.http.query import integer, is_true
from master.api.kinds.rules import field_errors
from master.api.streaming.containers import choose_container
from master.api.streaming.websocket import BytesSocket, is_websocket
from master.client.errors import StatusError, bad_request, invalid
from master.client.protocol import Json
from master.client.streams import NodeStreams
from proto.messages import StreamOpen
from proto.stream import Stream, StreamBroken


class PodLogs:
    def __init__(self, streams: NodeStreams) -> None:
        self._streams = streams

    async def respond(self, request: web.Request, pod: Json, stream_id: str) -> web.StreamResponse:
        """Raises StatusError 400, 422 or 503 before the first byte; a stream that breaks later ends the answer early."""
        metadata = pod["metadata"]
        options = log_options(request, metadata["name"])
        container = choose_container(pod, request.query.get("container", ""))
        node = (pod.get("spec") or {}).get("nodeName") or ""
        if not node:
            # Kubernetes answers with an empty log for a pod without a node.
            return web.Response(headers={"Content-Type": "text/plain"})
        check_started(pod, container, previous=bool(options.get("previous")))
        opened = StreamOpen(
            id=stream_id,
            kind="logs",
            namespace=metadata["namespace"],
            pod=metadata["name"],
            uid=metadata["uid"],
            container=container,
            options=options,
        )
        stream = await self._streams.open(node, opened)
        try:
            return await _copy(request, stream, follow=bool(options.get("follow")))
        finally:
            await stream.close()


async def _copy(request: web.Request, stream: Stream, *, follow: bool) -> web.StreamResponse:
    """As the answer's body, or in the messages of a WebSocket. An error before the first byte is an answer of its own."""
    first: bytes | None = b""
    if not follow:  # following shows at once that there is a log
        try:
            frame = await stream.read()
        except StreamBroken as error:
            raise StatusError(error.code, _REASONS.get(error.code, "InternalError"), str(error)) from error
        first = None if frame is None else frame.data
    if is_websocket(request):
        return await _over_websocket(request, stream, first)
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    if request.method != "HEAD":
        await _pour(stream, first, response.write)
    return response


async def _over_websocket(request: web.Request, stream: Stream, first: bytes | None) -> web.StreamResponse:
    socket = await BytesSocket.open(request)
    async with asyncio.TaskGroup() as tasks:
        pouring = tasks.create_task(_pour(stream, first, socket.write))
        leaving = tasks.create_task(socket.client_left())
        await asyncio.wait((pouring, leaving), return_when=asyncio.FIRST_COMPLETED)
        pouring.cancel()
        leaving.cancel()
    return await socket.close()


async def _pour(stream: Stream, first: bytes | None, write: Callable[[bytes], Awaitable[None]]) -> None:
    """Everything to the stream's end; `first` was read already, None: it was the end."""
    if first:
        await write(first)
    if first is None:
        return
    try:
        async for frame in stream.frames():
            if frame.data:
                await write(frame.data)
    except StreamBroken:
        return  # too late for another answer: it ends early


_REASONS = {400: "BadRequest", 404: "NotFound", 410: "Expired", 503: "ServiceUnavailable", 504: "Timeout"}


def log_options(request: web.Request, name: str) -> Json:
    """PodLogOptions as the node reads them (ValidatePodLogOptions). Raises StatusError 400 or 422."""
    query = request.query
    options: Json = {flag: True for flag in ("follow", "previous", "timestamps") if is_true(query.get(flag, ""))}
    for flag in ("tailLines", "sinceSeconds", "limitBytes"):
        if (number := integer(request, flag)) is not None:
            options[flag] = number
    if since := query.get("sinceTime", ""):
        options["sinceTime"] = _time(since)
    causes = []
    if options.get("tailLines", 0) < 0:
        causes.append(field_errors.invalid("tailLines", options["tailLines"], "must be greater than or equal to 0"))
    if options.get("limitBytes", 1) < 1:
        causes.append(field_errors.invalid("limitBytes", options["limitBytes"], "must be greater than 0"))
    if "sinceSeconds" in options and "sinceTime" in options:
        causes.append(field_errors.forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    elif options.get("sinceSeconds", 1) < 1:
        causes.append(field_errors.invalid("sinceSeconds", options["sinceSeconds"], "must be greater than 0"))
    if query.get("stream", ""):
        # Its feature gate (PodLogsQuerySplitStreams) is off by default.
        causes.append(field_errors.forbidden("stream", "may not be specified"))
    if causes:
        raise invalid("PodLogOptions", "", name, causes)
    return options


def _time(text: str) -> str:
    """RFC 3339 as the node reads it. Raises StatusError 400."""
    try:
        if not _RFC_3339.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        shown = text[:64]
        layout = "2006-01-02T15:04:05Z07:00"
        raise bad_request(f'parsing time "{shown}" as "{layout}": cannot parse "{shown}" as "2006"') from None


_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def check_started(pod: Json, container: str, *, previous: bool) -> None:
    """Raises StatusError 400 when the container has no log yet (kubelet's validateContainerLogStatus)."""
    status = pod.get("status") or {}
    fields = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    found = next((s for field in fields for s in status.get(field) or () if s.get("name") == container), None)
    name = pod["metadata"]["name"]
    if found is None:
        raise bad_request(f'container "{container}" in pod "{name}" is not available')
    state, last = found.get("state") or {}, (found.get("lastState") or {}).get("terminated")
    if previous:
        if not (last and last.get("containerID")):
            raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
        return
    if "running" in state or "terminated" in state or last:
        return
    waiting = state.get("waiting") or {}
    reason = waiting.get("reason", "")
    if reason == "ErrImagePull":
        raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: image can\'t be pulled')
    if reason == "ImagePullBackOff":
        raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: trying and failing to pull image')
    raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {reason or "ContainerCreating"}')
