"""Events that nodes report, as Kubernetes' Events of component kubelet. Called by `master.fleet.intake`.

A node may report on itself and on pods bound to it. Counting, combining and limits are the EventRecorder's.
"""

import asyncio

import msgspec
from lightkube.models.core_v1 import ObjectReference
from lightkube.resources.core_v1 import Event, Pod

from master.client.events import EventRecorder
from master.client.protocol import Client
from master.fleet.mirrors import MIRROR
from master.fleet.view import FleetView
from proto.envelope import MalformedMessage
from proto.messages import EventReport

_COMPONENT = "kubelet"
#: One report may stand for several occurrences; so many of them are counted.
_MOST_COUNTED = 10


class NodeEvents:
    """An EventRecorder for each node that reports; `run` owns their tasks."""

    def __init__(self, client: Client, view: FleetView) -> None:
        self._client = client
        self._view = view
        self._recorders: dict[str, EventRecorder] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Write events until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for recorder in self._recorders.values():
                tasks.create_task(recorder.run())
            try:
                await asyncio.Event().wait()
            finally:
                self._tasks = None

    def take(self, node: str, report: EventReport) -> None:
        """Record a node's event. Raises MalformedMessage when it is none, or not the node's to report."""
        try:
            event = msgspec.convert(report.event, Event)
        except msgspec.ValidationError as error:
            raise MalformedMessage(f"Event: {error}") from error
        involved = event.involvedObject
        type_ = event.type
        if type_ not in ("Normal", "Warning") or not event.reason or len(event.reason) > 128:
            raise MalformedMessage("Event: type must be Normal or Warning, reason one word")
        if not self._speaks_for(node, involved):
            raise MalformedMessage("Event: its object is not the node's")
        recorder = self._recorder(node)
        for _ in range(min(max(event.count or 1, 1), _MOST_COUNTED)):
            recorder.event(involved, "Normal" if type_ == "Normal" else "Warning", event.reason, event.message or "")

    def _speaks_for(self, node: str, involved: ObjectReference) -> bool:
        if involved.kind == "Node":
            return involved.name == node and not involved.namespace and self._view.node(node) is not None
        if involved.kind != "Pod" or not involved.name:
            return False
        pod: Pod | None = self._view.pod(involved.namespace or "", involved.name)
        if pod is None or pod.spec is None or pod.metadata is None:
            return False
        # A kubelet names the static pod, not its mirror, and kubectl looks for that.
        shown = (pod.metadata.annotations or {}).get(MIRROR)
        return pod.spec.nodeName == node and involved.uid in (pod.metadata.uid, shown or pod.metadata.uid)

    def _recorder(self, node: str) -> EventRecorder:
        recorder = self._recorders.get(node)
        if recorder is None:
            recorder = self._recorders[node] = EventRecorder(self._client, _COMPONENT, node)
            if self._tasks is not None:
                self._tasks.create_task(recorder.run())
        return recorder
