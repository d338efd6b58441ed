"""Streams into pods: finds the pod and container that a request names and hands it to its kind. Called by the kubelet.

Options by kind are told in master.client.streams; channels are those of Kubernetes' remote command protocol v4.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from lightkube.models.core_v1 import Container, Pod

from agent.desired import DesiredState
from agent.kubelet.labels import identity
from agent.kubelet.pleg import Pleg
from agent.kubelet.pod.observation import PodObservation
from agent.kubelet.pods import containers, every_container, spec_of
from agent.kubelet.streams.exec import attach, run_command
from agent.kubelet.streams.logs import log_options, send_log
from agent.kubelet.streams.metrics import send_metrics
from agent.kubelet.streams.port_forward import forward
from agent.kubelet.streams.proxy import proxy_to_node, proxy_to_pod
from agent.kubelet.streams.refused import StreamRefused
from agent.runtime.errors import NotFound, RuntimeFailure, RuntimeUnavailable
from agent.runtime.protocol import Streams
from agent.runtime.spec import ContainerState
from agent.stats.collector import Stats
from proto.messages import StreamOpen
from proto.metrics import STREAM_KIND as METRICS
from proto.stream import Stream, StreamBroken

log = logging.getLogger(__name__)

Json = dict[str, Any]


class PodStreams:
    """status: a pod's status as last reported, by uid. static_pod: the one that a mirror pod of this uid shows."""

    def __init__(
        self,
        *,
        runtime: Streams,
        pleg: Pleg,
        desired: DesiredState,
        static_pod: Callable[[str], Pod | None],
        status: Callable[[str], Json | None],
        node_addresses: Callable[[], Sequence[str]],
        stats: Stats,
    ) -> None:
        self._runtime = runtime
        self._pleg = pleg
        self._desired = desired
        self._static_pod = static_pod
        self._status = status
        self._node_addresses = node_addresses
        self._stats = stats
        #: Where the node's own server listens on loopback.
        self.server_port = 0

    async def handle(self, request: StreamOpen, stream: Stream) -> None:
        """Serve to the end and close. Never raises but for cancellation."""
        try:
            await self._serve(request, stream)
        except StreamRefused as error:
            await stream.close(str(error), error.code)
        except NotFound as error:
            await stream.close(str(error), 404)
        except RuntimeUnavailable as error:
            await stream.close(str(error), 503)
        except RuntimeFailure as error:
            await stream.close(str(error), 500)
        except StreamBroken:
            await stream.close()
        except ExceptionGroup as error:
            if error.split(StreamBroken)[1] is not None:
                log.warning("a stream failed", extra={"kind": request.kind, "pod": request.pod}, exc_info=error)
                await stream.close("the stream failed on the node", 500)
            else:
                await stream.close()
        else:
            await stream.close()

    async def _serve(self, request: StreamOpen, stream: Stream) -> None:
        if request.kind == "nodeproxy":
            await proxy_to_node(self._node_addresses(), self.server_port, request.options, stream)
            return
        if request.kind == METRICS:
            await send_metrics(self._stats, stream)
            return
        pod = self._pod(request)
        observed = self._pleg.observation(identity(pod).uid)
        if request.kind == "portforward":
            await forward(observed, request.options, stream)
            return
        if request.kind == "podproxy":
            await proxy_to_pod(self._addresses(pod, observed), request.options, stream)
            return
        container = _container(pod, request.container)
        match request.kind:
            case "logs":
                options = log_options(request.options)
                state = self._logged(pod, container, observed, previous=bool(request.options.get("previous")))
                await send_log(self._runtime, state, options, stream, limit=request.options.get("limitBytes"))
            case "exec":
                await run_command(self._runtime, _running(pod, container, observed), request.options, stream)
            case "attach":
                await attach(self._runtime, _running(pod, container, observed), request.options, stream)
            case _:
                raise StreamRefused(f"unknown stream kind {request.kind!r}", 400)

    def _pod(self, request: StreamOpen) -> Pod:
        found = self._desired.pods.get(request.uid)
        if found is None:
            named = [
                pod
                for pod in self._desired.pods.values()
                if (identity(pod).namespace, identity(pod).name) == (request.namespace, request.pod)
            ]
            if request.uid or not named:
                raise StreamRefused(f'pod "{request.pod}" does not exist on this node', 404)
            found = named[0]
        return self._static_pod(identity(found).uid) or found

    def _addresses(self, pod: Pod, observed: PodObservation) -> Sequence[str]:
        sandbox = observed.sandbox
        if sandbox is None:
            return ()
        return self._node_addresses() if spec_of(pod).hostNetwork else sandbox.ips

    def _logged(self, pod: Pod, container: Container, observed: PodObservation, *, previous: bool) -> ContainerState:
        """The instance whose log is asked for, as kubelet's validateContainerLogStatus chooses."""
        who, instances = identity(pod), observed.all_instances(container.name)
        shown = self._shown(who.uid, container.name)
        if previous:
            last = shown.get("lastState", {}).get("terminated", {}).get("containerID", "").removeprefix("docker://")
            for state in instances:
                if state.id == last:
                    return state
            raise StreamRefused(f'previous terminated container "{container.name}" in pod "{who.name}" not found', 400)
        if instances:
            return instances[0]
        reason = shown.get("state", {}).get("waiting", {}).get("reason", "ContainerCreating")
        raise StreamRefused(f'container "{container.name}" in pod "{who.name}" is waiting to start: {reason}', 400)

    def _shown(self, uid: str, name: str) -> Json:
        status = self._status(uid) or {}
        for field in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
            for one in status.get(field, ()):
                if one["name"] == name:
                    return dict(one)
        return {}


def _container(pod: Pod, name: str) -> Container:
    if not name:
        return containers(pod)[0]
    for container in every_container(pod):
        if container.name == name:
            return container
    raise StreamRefused(f"container {name} is not valid for pod {identity(pod).name}", 400)


def _running(pod: Pod, container: Container, observed: PodObservation) -> ContainerState:
    newest = observed.newest(container.name)
    if newest is None or not newest.running:
        raise StreamRefused(f'container not found ("{container.name}")', 500)
    return newest
