"""Scheduler: gives each pod without a node the best one, as kube-scheduler does.

Started by `master.app`. Informers tell of nodes and pods; `Placement` chooses; the pod is counted on its node at once
(assumed), and bound by workers meanwhile, so the next pod need not wait for the store. When binding fails the assumption is
taken back. Where no node fits, the pod gets the condition PodScheduled=False and a FailedScheduling event, and waits in the
queue for something that may help.
"""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

from lightkube.resources.core_v1 import Namespace, Node, Pod
from prometheus_client import Counter, Gauge, Histogram

from master.client.errors import StatusError
from master.client.events import EventRecorder
from master.client.protocol import Client
from master.informer import Informers
from master.scheduler.cluster import Cluster, NodeInfo
from master.scheduler.framework import ClusterEvent
from master.scheduler.placement import FitError, Placement
from master.scheduler.pod import SCHEDULER_NAME, PodInfo, Shapes
from master.scheduler.queue import SchedulingQueue
from master.scheduler.registry import Plugins, load_plugins
from proto.k8s.time import format_time

_log = logging.getLogger(__name__)

#: Bindings under way: as many share the store's commits.
_WRITERS = 64
_QUEUED_WRITES = 256

ATTEMPTS = Counter("scheduler_schedule_attempts_total", "Attempts to place a pod", ["result"])
PENDING = Gauge("scheduler_pending_pods", "Pods that are not bound")
DURATION = Histogram(
    "scheduler_scheduling_algorithm_duration_seconds",
    "Seconds that choosing a node takes",
    buckets=(0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5),
)

Key = tuple[str, str]


def _finished(pod: Pod) -> bool:
    return bool(pod.status and pod.status.phase in ("Succeeded", "Failed"))


def _node_name(pod: Pod) -> str:
    return (pod.spec.nodeName if pod.spec else None) or ""


def _gated(pod: Pod) -> bool:
    return bool(pod.spec and pod.spec.schedulingGates)


def _waits(pod: Pod) -> bool:
    """Whether the pod is this scheduler's to place."""
    if pod.spec is None or pod.metadata is None or pod.metadata.deletionTimestamp is not None:
        return False
    ours = (pod.spec.schedulerName or SCHEDULER_NAME) == SCHEDULER_NAME
    return ours and not pod.spec.nodeName and not _finished(pod)


class Scheduler:
    """Build it before the informers run; `run` returns only when cancelled."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self._client = client
        self._nodes = informers.of(Node)
        self._pods = informers.of(Pod)
        self._namespaces = informers.of(Namespace)
        self._recorder = EventRecorder(client, SCHEDULER_NAME)
        self._shapes = Shapes()
        self._cluster = Cluster()
        self._plugins: Plugins = load_plugins(self._cluster)
        self._placement = Placement(self._cluster, self._plugins)
        self._queue = SchedulingQueue()
        self._writes: asyncio.Queue[tuple[PodInfo, str | FitError]] = asyncio.Queue(_QUEUED_WRITES)
        #: By key, the uid of the pod that is counted on a node ahead of the API.
        self._assumed: dict[Key, str] = {}
        rejecting = (*self._plugins.filters, *self._plugins.cross_filters)
        self._helped = {event: frozenset(p.name for p in rejecting if event in p.events) for event in ClusterEvent}

    async def run(self) -> None:
        # Handlers first report all that is there, so nothing is counted before the caches are complete.
        await self._nodes.synced()
        await self._pods.synced()
        await self._namespaces.synced()
        self._namespaces.add_handler(self._namespace_changed)
        self._nodes.add_handler(self._node_changed)
        self._pods.add_handler(self._pod_changed)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recorder.run(), name="scheduler-events")
            for number in range(_WRITERS):
                tasks.create_task(self._write(), name=f"scheduler-write-{number}")
            tasks.create_task(self._schedule(), name="scheduler")

    # What the API tells

    def _happened(self, event: ClusterEvent) -> None:
        self._queue.happened(self._helped[event])

    def _namespace_changed(self, old: Namespace | None, new: Namespace | None) -> None:
        namespace = new or old
        if namespace is not None and namespace.metadata is not None:
            labels = None if new is None else namespace.metadata.labels or {}
            self._cluster.put_namespace(namespace.metadata.name or "", labels)

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if new is None:
            if old is not None and old.metadata is not None:
                self._cluster.remove_node(old.metadata.name or "")
            return
        for event in self._cluster.put_node(new):
            self._happened(event)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        pod = new or old
        if pod is None or pod.metadata is None:
            return
        key = (pod.metadata.namespace or "", pod.metadata.name or "")
        if new is None or (_node_name(new) and _finished(new)):
            self._forget(key)
        elif _node_name(new):
            self._assumed.pop(key, None)
            self._queue.remove(key)
            if self._cluster.place(self._shapes.info(new), _node_name(new)):
                self._happened(ClusterEvent.POD_ADDED)
        elif _waits(new):
            self._pod_waits(key, old, new)
        else:
            self._queue.remove(key)
        PENDING.set(len(self._queue))

    def _forget(self, key: Key) -> None:
        self._assumed.pop(key, None)
        self._queue.remove(key)
        if self._cluster.remove(key):
            self._happened(ClusterEvent.POD_DELETED)

    def _pod_waits(self, key: Key, old: Pod | None, new: Pod) -> None:
        if key in self._assumed:
            return
        if _gated(new):
            self._queue.remove(key)
            return
        # What was written about the attempt comes back as a change of status: no reason to try again.
        if old is None or _gated(old) or not _waits(old) or self._differs(old, new):
            self._queue.add(key, new.spec.priority or 0 if new.spec else 0)

    def _differs(self, old: Pod, new: Pod) -> bool:
        before, after = self._shapes.info(old), self._shapes.info(new)
        return before.shape is not after.shape or before.labels != after.labels or before.uid != after.uid

    # Choosing

    async def _schedule(self) -> None:
        while True:
            key = await self._queue.pop()
            pod = self._pods.get(*key)
            if pod is None or not _waits(pod) or _gated(pod):
                self._queue.remove(key)
                continue
            try:
                info, outcome = self._place(pod)
            except Exception:  # noqa: BLE001 - a bug met with one pod must not stop all others
                _log.exception("bug in placing a pod", extra={"pod": "/".join(key)})
                ATTEMPTS.labels("error").inc()
                self._queue.failed(key)
                continue
            # Where writes are slower than choices, the choices wait; else the loop's others get their turn.
            await self._writes.put((info, outcome))
            await asyncio.sleep(0)

    def _place(self, pod: Pod) -> tuple[PodInfo, str | FitError]:
        info = self._shapes.info(pod)
        with DURATION.time():
            outcome = self._placement.place(info)
        if isinstance(outcome, NodeInfo):
            ATTEMPTS.labels("scheduled").inc()
            self._cluster.place(info, outcome.name)
            self._assumed[info.key] = info.uid
            return info, outcome.name
        ATTEMPTS.labels("unschedulable").inc()
        self._queue.unschedulable(info.key, outcome.plugins)
        return info, outcome

    # Writing

    async def _write(self) -> None:
        while True:
            info, outcome = await self._writes.get()
            try:
                if isinstance(outcome, FitError):
                    await self._report(info, outcome)
                else:
                    await self._bind(info, outcome)
            except Exception:  # noqa: BLE001 - one pod's bug must not end the writer
                _log.exception("bug in writing a placement", extra={"pod": f"{info.namespace}/{info.name}"})
                self._take_back(info)

    async def _bind(self, info: PodInfo, node: str) -> None:
        try:
            await self._client.bind(info.name, info.namespace, info.uid, node)
        except StatusError as error:
            fields = {"pod": f"{info.namespace}/{info.name}", "node": node}
            _log.log(logging.DEBUG if error.code in (404, 409) else logging.WARNING, "binding failed: %s", error, extra=fields)
            self._take_back(info)
            return
        if self._assumed.get(info.key) == info.uid:
            self._queue.remove(info.key)
        if (pod := self._pods.get(*info.key)) is not None:
            self._recorder.event(pod, "Normal", "Scheduled", f"Successfully assigned {info.namespace}/{info.name} to {node}")

    def _take_back(self, info: PodInfo) -> None:
        """Stop counting a pod that was assumed, unless the API has meanwhile said where it is."""
        if self._assumed.get(info.key) != info.uid:
            return
        del self._assumed[info.key]
        if self._cluster.remove(info.key):
            self._happened(ClusterEvent.POD_DELETED)
        self._queue.failed(info.key)

    async def _report(self, info: PodInfo, error: FitError) -> None:
        pod = self._pods.get(*info.key)
        if pod is None or pod.metadata is None or pod.metadata.uid != info.uid or not _waits(pod):
            return
        self._recorder.event(pod, "Warning", "FailedScheduling", error.message)
        condition = _unschedulable(pod, error.message)
        if condition is None:
            return
        try:
            await self._client.patch(
                Pod,
                info.name,
                info.namespace,
                {"metadata": {"uid": info.uid}, "status": {"conditions": [condition]}},
                patch_type="application/strategic-merge-patch+json",
                subresource="status",
            )
        except StatusError as refused:
            # The next attempt writes it; the event has told already.
            _log.debug("condition not written: %s", refused, extra={"pod": f"{info.namespace}/{info.name}"})


def _unschedulable(pod: Pod, message: str) -> dict[str, Any] | None:
    """The condition PodScheduled=False to write; None when the pod has it."""
    conditions = (pod.status.conditions if pod.status else None) or ()
    before = next((condition for condition in conditions if condition.type == "PodScheduled"), None)
    same_status = before is not None and before.status == "False"
    if before is not None and same_status and (before.reason, before.message) == ("Unschedulable", message):
        return None
    since = before.lastTransitionTime if before is not None and same_status else None
    return {
        "type": "PodScheduled",
        "status": "False",
        "lastProbeTime": None,
        "lastTransitionTime": format_time(since or datetime.now(UTC)),
        "reason": "Unschedulable",
        "message": message,
    }
