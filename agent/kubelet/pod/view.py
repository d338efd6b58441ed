"""What a pod worker knows of its pod beside the manifest: its record, why containers wait, what they said last; its status.

Also keeps the probes in step with the running containers. Used by `agent.kubelet.pod.worker` and its executor, by one pod.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
from lightkube.models.core_v1 import Container, Pod

from agent.kubelet.admission.chain import Refusal
from agent.kubelet.critical import is_static
from agent.kubelet.devices import Assignment
from agent.kubelet.labels import CONTAINER_NAME, identity, restart_count
from agent.kubelet.pod.actions import Verdict
from agent.kubelet.pod.container_status import ContainerFacts, WaitReason
from agent.kubelet.pod.directory import PodDirectory
from agent.kubelet.pod.grace import settled
from agent.kubelet.pod.observation import PodObservation
from agent.kubelet.pod.record import Amounts, ConditionRecord, PodRecord, load, save
from agent.kubelet.pod.status import PodFacts, pod_status
from agent.kubelet.pod.termination import Termination
from agent.kubelet.pod.termination_message import termination_message
from agent.kubelet.pods import (
    all_containers,
    every_container,
    init_containers,
    is_sidecar,
    named_ports,
    spec_grace,
    spec_of,
)
from agent.kubelet.services import PodServices
from agent.probes.manager import Probed, ProbeKind
from agent.probes.protocol import ProbeResult, ProbeTarget
from agent.runtime.spec import ContainerState

log = logging.getLogger(__name__)

Json = dict[str, Any]


class PodView:
    def __init__(self, services: PodServices, directory: PodDirectory, *, on_change: Callable[[], None]) -> None:
        self._services = services
        self._directory = directory
        self._on_change = on_change
        self._record: PodRecord | None = None
        self._saved: PodRecord | None = None
        self._saving = asyncio.Lock()
        self._waiting: dict[str, WaitReason] = {}
        self._told_ended: dict[str, str] = {}
        self._messages: dict[str, str] = {}
        #: Of a resize that waits or goes on; see agent.kubelet.resize.resizer.
        self.resize_conditions: list[Json] = []
        #: Containers whose next start does not wait, whatever their last ones did: they were given other resources.
        self.forgiven: set[str] = set()
        #: Ids of instances whose postStart hook runs: they are not shown as running yet, nor probed.
        self.hooking: set[str] = set()
        self._pod: Pod | None = None
        #: Whether neither a record nor the API knew of this pod on this node.
        self.fresh = False

    async def load(self, pod: Pod) -> None:
        """Read the record, or begin one. Idempotent."""
        self._pod = pod
        if self._record is not None:
            return
        self._record = self._saved = await asyncio.to_thread(load, self._directory.record)
        if self._record is not None and self._record.grace is not None and is_static(pod):
            # The node ended it (a shutdown): nobody else would ever make another of it.
            self._record = PodRecord(start_time=datetime.now(UTC))
        if self._record is None:
            known = pod.status
            phase: Literal["", "Succeeded", "Failed"] = ""
            if known is not None and known.phase in ("Succeeded", "Failed"):
                # The API saw it end; a lost record must not run it again.
                phase = "Succeeded" if known.phase == "Succeeded" else "Failed"
            self.fresh = known is None or known.startTime is None
            start = known.startTime if known is not None and known.startTime is not None else datetime.now(UTC)
            self._record = PodRecord(start_time=start, phase=phase)

    @property
    def record(self) -> PodRecord:
        assert self._record is not None
        return self._record

    @property
    def start_time(self) -> datetime:
        return self.record.start_time

    @property
    def over(self) -> bool:
        """The pod has ended for good."""
        return bool(self.record.phase)

    def end(self, phase: Literal["Succeeded", "Failed"], reason: str, message: str) -> None:
        """The pod ends for good, for this reason."""
        if not self.over:
            self._change(phase=phase, reason=reason, message=message)
            self._on_change()

    def terminate(self, termination: Termination) -> None:
        """The node ends the pod for good."""
        if not self.over:
            self._change(grace=termination.grace, disruption=termination.message if termination.disruption else "")
            self.end("Failed", termination.reason, termination.message)

    def given(self, devices: Assignment) -> None:
        """The node took the pod and gave it these."""
        self._change(devices=devices)

    def refuse(self, refusal: Refusal) -> None:
        """The node does not take the pod."""
        self._change(refused=True)
        self.end("Failed", refusal.reason, f"Pod was rejected: {refusal.message}")

    def final_grace(self, pod: Pod) -> float:
        """Seconds that containers have when the pod ends without being deleted."""
        given = self.record.grace
        return float(spec_grace(pod)) if given is None else min(given, spec_grace(pod))

    async def ending_for(self) -> float:
        """Seconds since the pod's deletion began here, before a restart of the agent too.

        By this node's clock, not by deletionTimestamp: the master's may differ, and the order may have come late.
        """
        now = datetime.now(UTC)
        if self.record.ending_since is None:
            self._change(ending_since=now)
            await self.save()
        assert self.record.ending_since is not None
        return max(0.0, (now - self.record.ending_since).total_seconds())

    def resized(self, *, allocated: dict[str, Amounts], actuated: dict[str, Amounts] | None = None) -> None:
        """What the containers have been given, and with a resize under way what they had before it."""
        self._change(allocated=allocated, actuated=self.record.actuated if actuated is None else actuated)

    def wait(self, name: str, why: WaitReason, *, ended: str = "") -> bool:
        """A container waits. True when this was not known; `ended`: since this instance's end."""
        fresh = self._waiting.get(name) != why or self._told_ended.get(name) != ended
        self._told_ended[name] = ended
        if fresh:
            self._waiting[name] = why
            self._on_change()
        return fresh

    def go_on(self, name: str) -> None:
        """A container waits no more."""
        self._waiting.pop(name, None)
        self.forgiven.discard(name)

    def hook_over(self, container_id: str) -> None:
        if container_id in self.hooking:
            self.hooking.discard(container_id)
            self._on_change()

    def verdicts(self, observed: PodObservation) -> dict[str, Verdict]:
        found: dict[str, Verdict] = {}
        for state in observed.running():
            failed = self._services.probes.failed(state.id)
            if failed is not None:
                found[state.id] = failed
        return found

    def started(self, observed: PodObservation) -> frozenset[str]:
        return frozenset(state.id for state in observed.running() if self._services.probes.started(state.id))

    def address(self, observed: PodObservation) -> str:
        """Where the pod's ports are reached from this node."""
        if self._pod is not None and spec_of(self._pod).hostNetwork:
            ips = self._services.node().ips
            return ips[0] if ips else "127.0.0.1"
        sandbox = observed.sandbox
        return sandbox.ips[0] if sandbox is not None and sandbox.ips else ""

    def watch_probes(self, pod: Pod, observed: PodObservation, *, deleting: bool) -> None:
        """Probe what runs and nothing else. Idempotent."""
        probes = self._services.probes
        sandbox = observed.sandbox
        by_name = {container.name: container for container in all_containers(pod)}
        ordinary = {container.name for container in init_containers(pod) if not is_sidecar(container, pod)}
        for state in observed.containers():
            container = by_name.get(state.labels.get(CONTAINER_NAME, ""))
            if (
                not state.running
                or container is None
                or container.name in ordinary
                or sandbox is None
                or state.id in self.hooking
            ):
                probes.remove(state.id)
                continue
            target = ProbeTarget(state.id, self.address(observed), named_ports(container))
            probes.add(
                Probed(
                    container,
                    target,
                    state.started_at or state.created_at,
                    partial(self._unhealthy, container),
                    self._on_change,
                ),
                was_started=state.id in self.record.started,
                was_ready=state.id in self.record.ready,
            )
            if deleting:
                probes.spare(state.id)

    def _unhealthy(self, container: Container, kind: ProbeKind, result: ProbeResult) -> None:
        assert self._pod is not None
        what = {"failure": "failed", "warning": "warning"}.get(result.outcome, "errored and resulted in unknown state")
        text = f"{kind.capitalize()} probe {what}: {result.output}"
        reason = "ProbeWarning" if result.outcome == "warning" else "Unhealthy"
        self._services.recorder.warning(self._pod, reason, text, container)

    async def status(self, pod: Pod, *, deleting: bool) -> Json:
        """The pod's status now; what of it must be remembered is noted in the record."""
        self._pod = pod
        observed = self._services.pleg.observation(identity(pod).uid)
        await self._read_messages(pod, observed)
        observed = self._services.pleg.observation(identity(pod).uid)
        self.watch_probes(pod, observed, deleting=deleting)
        probes = self._services.probes
        running = frozenset(state.id for state in observed.running())
        ready = frozenset(one for one in running if probes.ready(one))
        started = frozenset(one for one in running if probes.started(one))
        sandbox = observed.sandbox
        ips = (sandbox.ips if sandbox is not None else ()) or self.record.pod_ips
        now = datetime.now(UTC)
        node = self._services.node()
        facts = PodFacts(
            start_time=self.record.start_time,
            host_ips=node.ips,
            pod_ips=ips,
            containers=ContainerFacts(
                waiting={} if deleting or self.over else dict(self._waiting),
                ready=ready,
                started=started,
                messages=self._messages,
                image_id=self._services.images.image_id,
                allocated=self.record.allocated or {},
                actuated=self.record.actuated,
                hooking=frozenset(self.hooking),
            ),
            conditions=self.record.conditions,
            more_conditions=() if deleting or self.over else tuple(self.resize_conditions),
            ended=(deleting or self.over) and not running,
            # A phase that is final is told when nothing runs any more: resources are given away for it.
            phase="" if running else self.record.phase,
            reason="" if running else self.record.reason,
            message="" if running else self.record.message,
            disruption=self.record.disruption,
            refused=self.record.refused,
        )
        status = pod_status(pod, observed, facts, now)
        self._remember(status, ready=ready, started=started, ips=ips, now=now)
        if not running and not deleting and not self.over and status["phase"] in ("Succeeded", "Failed"):
            self._change(phase=status["phase"])
            self._on_change()
        return status

    def _remember(
        self, status: Json, *, ready: frozenset[str], started: frozenset[str], ips: tuple[str, ...], now: datetime
    ) -> None:
        conditions = {}
        for condition in status["conditions"]:
            type_, state = condition["type"], condition["status"]
            before = self.record.conditions.get(type_)
            conditions[type_] = before if before is not None and before.status == state else ConditionRecord(state, now)
        self._change(conditions=conditions, ready=ready, started=started, pod_ips=ips)

    def _change(self, **fields: Any) -> None:
        changed = msgspec.structs.replace(self.record, **fields)
        if changed != self._record:
            self._record = changed

    async def save(self) -> None:
        """Write the record if it is not as on disk. One write at a time, and none goes on after this was cancelled."""
        async with self._saving:
            record = self.record
            if record == self._saved:
                return
            writing = asyncio.get_running_loop().run_in_executor(None, save, self._directory.record, record)
            try:
                await asyncio.shield(writing)
            except OSError as error:
                log.warning("a pod's record could not be written", extra={"path": self._directory.record, "error": error})
            except asyncio.CancelledError:
                await settled(writing)
                raise
            self._saved = record

    async def _read_messages(self, pod: Pod, observed: PodObservation) -> None:
        """Termination messages of the instances that the status shows."""
        by_name = {container.name: container for container in every_container(pod)}
        shown = [
            (by_name[name], state) for name in by_name for state in observed.all_instances(name)[:2] if state.phase == "exited"
        ]
        for container, state in shown:
            if state.id not in self._messages:
                path = self._message_path(container, state)
                self._messages[state.id] = await termination_message(container, state, path, self._services.runtime)
        known = {state.id for _, state in shown}
        for container_id in self._messages.keys() - known:
            del self._messages[container_id]

    def _message_path(self, container: Container, state: ContainerState) -> Path:
        return self._directory.termination_message(container.name, restart_count(state))
