"""GET pods/{name}/log: a container's log from its node, as plain text.

Rules and words: pkg/registry/core/pod/strategy.go (LogLocation), pkg/kubelet (validateContainerLogStatus).
"""

from aiohttp import web

from master.api.http.watches import is_true
from master.client.errors import Cause, StatusError, bad_request, invalid
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
        options = log_options(request)
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
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    # Following shows at once that there is a log; otherwise the first frame decides between an answer and an error.
    if follow:
        await response.prepare(request)
    try:
        while (frame := await stream.read()) is not None:
            if not response.prepared:
                await response.prepare(request)
            if frame.data:
                await response.write(frame.data)
    except StreamBroken as error:
        if not response.prepared:
            raise StatusError(error.code, _REASONS.get(error.code, "InternalError"), str(error)) from error
    if not response.prepared:
        await response.prepare(request)
    return response


_REASONS = {400: "BadRequest", 404: "NotFound", 410: "Expired", 503: "ServiceUnavailable", 504: "Timeout"}


def log_options(request: web.Request) -> Json:
    """PodLogOptions as the node reads them. Raises StatusError 400 or 422."""
    query = request.query
    options: Json = {name: True for name in ("follow", "previous", "timestamps") if is_true(query.get(name, ""))}
    causes = []
    for name, least in (("tailLines", 0), ("sinceSeconds", 1), ("limitBytes", 1)):
        text = query.get(name, "")
        if not text:
            continue
        try:
            number = int(text)
        except ValueError:
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
        if number < least:
            bound = "greater than or equal to 0" if least == 0 else "greater than 0"
            causes.append(Cause(name, "FieldValueInvalid", f"Invalid value: {number}: must be {bound}"))
        options[name] = number
    if since := query.get("sinceTime", ""):
        options["sinceTime"] = since
        if "sinceSeconds" in options:
            text = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
            causes.append(Cause("", "FieldValueForbidden", text))
    if causes:
        raise invalid("PodLogOptions", "", "", causes)
    return options


def choose_container(pod: Json, name: str) -> str:
    """The container that a request names, or the only one. Raises StatusError 400."""
    spec = pod["spec"]
    regular = [container["name"] for container in spec["containers"]]
    initial = [container["name"] for container in spec.get("initContainers") or ()]
    ephemeral = [container["name"] for container in spec.get("ephemeralContainers") or ()]
    pod_name = pod["metadata"]["name"]
    if name:
        if name not in (*regular, *initial, *ephemeral):
            raise bad_request(f"container {name} is not valid for pod {pod_name}")
        return name
    if len(regular) == 1 and not initial and not ephemeral:
        return str(regular[0])
    if len(regular) == 1:
        # As kubectl does by itself: init containers are only meant when they are named.
        return str(regular[0])
    message = f"a container name must be specified for pod {pod_name}, choose one of: [{' '.join(regular)}]"
    if initial:
        message += f" or one of the init containers: [{' '.join(initial)}]"
    raise bad_request(message)


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
