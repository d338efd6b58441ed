"""Brings a pod's containers to the CPU and memory that its manifest asks now, without a restart where it can. One per pod.

Called by the pod worker at each sync: admit, then apply; what it gave is kept in the pod's record. Conditions and events as
Kubernetes: PodResizePending (Deferred, Infeasible), PodResizeInProgress (with reason Error when the node cannot do it).
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec
from lightkube.models.core_v1 import Pod

from agent.kubelet.labels import identity
from agent.kubelet.pod.backoff import SyncBackOff
from agent.kubelet.pod.observation import PodObservation
from agent.kubelet.pod.record import Amounts
from agent.kubelet.pod.view import PodView
from agent.kubelet.resize.allocation import Refusal, pod_requests
from agent.kubelet.resize.plan import NOTHING, Step, amounts, resizable, shown, steps, with_amounts
from agent.kubelet.services import PodServices
from agent.runtime.errors import RuntimeFailure, RuntimeUnavailable
from agent.runtime.spec import ContainerState
from agent.stats.cgroup import Cgroups
from proto.k8s.quantity import units

log = logging.getLogger(__name__)

Json = dict[str, Any]


class Resizer:
    """wake: have the pod looked at again."""

    def __init__(self, services: PodServices, view: PodView, *, wake: Callable[[], None]) -> None:
        self._services = services
        self._view = view
        self._wake = wake
        self._refusal: Refusal | None = None
        self._error = ""
        self._back_off = SyncBackOff()
        self._asked: dict[str, Amounts] | None = None

    def hold(self, pod: Pod) -> None:
        """A pod of this node takes its share at once, before its record is read."""
        self._services.allocations.hold(identity(pod).uid, pod_requests(pod))

    def admit(self, pod: Pod) -> Pod:
        """The pod as it is to be now; see _admit. Idempotent."""
        admitted = self._admit(pod)
        self._view.resize_conditions = self.conditions()
        return admitted

    def _admit(self, pod: Pod) -> Pod:
        """With the amounts that its manifest asks, or with the ones before when these do not fit."""
        uid, asked = identity(pod).uid, amounts(pod)
        given = self._view.record.allocated
        if self._view.over:
            self._services.allocations.release(uid)
            return with_amounts(pod, given if given is not None else asked)
        if asked != self._asked:
            self._asked = asked
            self._back_off.reset()
        if given is None:
            # The pod is new here, or its record is from before resizes: what it asks is what it has.
            self._view.resized(allocated=asked)
            self._services.allocations.hold(uid, pod_requests(pod))
            return pod
        if given == asked:
            self._services.allocations.hold(uid, pod_requests(pod))
            self._refuse(pod, None)
            return pod
        before = with_amounts(pod, given)
        self._services.allocations.hold(uid, pod_requests(before))
        refusal = self._services.allocations.refusal(uid, pod_requests(pod), retry=self._wake)
        self._refuse(pod, refusal)
        if refusal is not None:
            return before
        self._services.allocations.hold(uid, pod_requests(pod))
        self._view.resized(allocated=asked, actuated=given | self._view.record.actuated)
        for container in resizable(pod):
            if asked.get(container.name) != given.get(container.name):
                self._view.forgiven.add(container.name)
        self._services.recorder.normal(pod, "ResizeStarted", f"Pod resize started: {_described(pod)}")
        log.info("a resize begins", extra={"pod": identity(pod)})
        return pod

    def release(self, pod: Pod) -> None:
        """The pod has ended."""
        self._services.allocations.release(identity(pod).uid)

    def _refuse(self, pod: Pod, refusal: Refusal | None) -> None:
        if refusal == self._refusal:
            return
        self._refusal = refusal
        self._tell()
        if refusal is not None:
            message = f"Pod resize {refusal.reason}: {_described(pod, error=refusal.message)}"
            self._services.recorder.warning(pod, f"Resize{refusal.reason}", message)

    def unsettled(self) -> frozenset[str]:
        """Containers that were given amounts to which they were not brought yet."""
        record = self._view.record
        given = record.allocated or {}
        return frozenset(name for name, was in record.actuated.items() if given.get(name, NOTHING) != was)

    def restarts(self, pod: Pod, observed: PodObservation) -> frozenset[str]:
        """Ids of the instances that must be restarted for their resize. pod: as admitted."""
        return frozenset(step.state.id for step in self._steps(pod, observed) if step.restart)

    async def apply(self, pod: Pod, observed: PodObservation) -> float | None:
        """Change what can be changed in place; seconds until another try is worth it. Raises RuntimeUnavailable."""
        if not self.unsettled():
            return None
        if pause := self._back_off.remaining:
            return pause
        found = self._steps(pod, observed)
        restarting = {step.state.id for step in found if step.restart}
        try:
            for step in found:
                if step.state.id not in restarting:
                    await self._change(pod, step)
        except RuntimeUnavailable:
            raise
        except RuntimeFailure as error:
            if str(error) != self._error:
                self._error = str(error)
                self._services.recorder.warning(pod, "ResizeError", f"Pod resize error: {_described(pod, error=self._error)}")
                self._tell()
            return self._back_off.failed()
        self._error = ""
        self._settle(pod, self._services.pleg.observation(identity(pod).uid))
        return None

    async def _change(self, pod: Pod, step: Step) -> None:
        if step.shrinks_memory and step.state.limits.memory:
            used = await asyncio.to_thread(_memory_in_use, step.state)
            if used is not None and used >= step.limits.memory:
                name = identity(pod).name
                raise RuntimeFailure(f"aborting attempt to set pod memory limit less than current memory usage for pod {name}")
        await self._services.runtime.update(step.state.id, step.limits)
        await self._services.pleg.refresh(step.state.id)
        log.info("a container was resized", extra={"pod": identity(pod), "container": step.container.name})

    def _steps(self, pod: Pod, observed: PodObservation) -> list[Step]:
        node_memory = units(self._services.node().allocatable.get("memory", "0"))
        return steps(pod, observed, unsettled=self.unsettled(), node_memory=node_memory)

    def _settle(self, pod: Pod, observed: PodObservation) -> None:
        """Note which containers are as they were asked to be."""
        behind = {step.container.name for step in self._steps(pod, observed)}
        # One that does not run starts with what it was given.
        settled = self.unsettled() - behind
        if not settled:
            return
        given = self._view.record.allocated or {}
        actuated = {
            name: given.get(name, NOTHING) if name in settled else was for name, was in self._view.record.actuated.items()
        }
        self._view.resized(allocated=given, actuated=actuated)
        if not self.unsettled():
            self._view.resized(allocated=given, actuated={})
            self._services.recorder.normal(pod, "ResizeCompleted", f"Pod resize completed: {_described(pod)}")
        self._tell()

    def _tell(self) -> None:
        self._view.resize_conditions = self.conditions()
        self._wake()

    def conditions(self) -> list[Json]:
        found: list[Json] = []
        if self._refusal is not None:
            found.append(_condition("PodResizePending", self._refusal.reason, self._refusal.message))
        if self.unsettled():
            found.append(_condition("PodResizeInProgress", "Error" if self._error else "", self._error))
        return found


def _condition(type_: str, reason: str, message: str) -> Json:
    condition = {"type": type_, "status": "True"}
    if reason:
        condition |= {"reason": reason, "message": message}
    return condition


def _described(pod: Pod, *, error: str = "") -> str:
    """As kubelet's resize events: the containers' resources, and what went wrong."""
    described: Json = {"containers": [{"name": one.name, "resources": shown(one)} for one in resizable(pod)]}
    if error:
        described["error"] = error
    return msgspec.json.encode(described).decode()


def _memory_in_use(state: ContainerState) -> int | None:
    """Bytes; None when it cannot be told. Blocking, but only small reads."""
    group = Cgroups().of_container(state.pid, state.id)
    memory = group.read().memory if group is not None else None
    return memory.usage if memory is not None else None
