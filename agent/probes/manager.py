"""Probes every running container as its manifest asks and keeps what they say. Owned by the kubelet; read by pod workers.

One task per probe of a container instance:

    wait initialDelay ─► [startup probe: until it succeeds or fails for good] ─► liveness and readiness, each period

A failed startup or liveness probe ends that instance's probing: the pod worker kills it and the next instance has its own.
What holds before the first result: not ready, alive, not started.

Probes that begin while the agent itself is young wait a random part of their period first, as kubelet's do: after a restart
of the agent those of all pods would else go on in step for ever. https://github.com/kubernetes/kubernetes/tree/master/pkg/kubelet/prober
"""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from lightkube.models.core_v1 import Container, Probe

from agent.probes.protocol import MAX_OUTPUT, Outcome, ProbeResult, ProbeTarget
from agent.probes.registry import probe_once
from agent.probes.threshold import Threshold
from agent.runtime.protocol import Streams

log = logging.getLogger(__name__)

#: Repeated probes begin at multiples of this many seconds on the loop's clock, so that the process wakes for many at once:
#: with a hundred a second that saves more than half of their cost (bench/README). A container's first one waits for nothing.
_TURN = 0.1

ProbeKind = Literal["startup", "liveness", "readiness"]

#: Commands that are run in containers at once: each costs the engine a process start; more would only make each slower.
#: The others wait for their turn, and their time counts from then.
_MAX_COMMANDS = 32
#: A probe that could not be made is made again so often before its result is thrown away.
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Probed:
    """A running container instance under probes. told: called with kind and result when a single probe did not succeed."""

    container: Container
    target: ProbeTarget
    started_at: datetime
    told: Callable[[ProbeKind, ProbeResult], None]
    changed: Callable[[], None]


@dataclass(slots=True)
class _Probing:
    subject: Probed
    started: asyncio.Event = field(default_factory=asyncio.Event)
    ready: bool = False
    failed: Literal["startup", "liveness"] | None = None
    tasks: dict[ProbeKind, asyncio.Task[None]] = field(default_factory=dict)


class ProbeManager:
    """ended: called with container id, kind and outcome of each single probe, for metrics."""

    def __init__(self, *, streams: Streams, ended: Callable[[str, ProbeKind, Outcome], None]) -> None:
        self._streams = streams
        self._ended = ended
        self._probing: dict[str, _Probing] = {}
        self._group: asyncio.TaskGroup | None = None
        self._commands = asyncio.Semaphore(_MAX_COMMANDS)
        self._began = 0.0

    async def run(self) -> None:
        """Owns the probes' tasks."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._began = asyncio.get_running_loop().time()
            await asyncio.get_running_loop().create_future()

    def add(self, subject: Probed, *, was_started: bool = False, was_ready: bool = False) -> None:
        """Begin to probe an instance. Idempotent. was_*: what held before the agent restarted."""
        if subject.target.container_id in self._probing or self._group is None:
            return
        container = subject.container
        probing = self._probing[subject.target.container_id] = _Probing(subject)
        if container.startupProbe is None or was_started:
            probing.started.set()
        probing.ready = container.readinessProbe is None or was_ready
        name = subject.target.container_id[:12]
        kinds: dict[ProbeKind, Probe | None] = {
            "startup": None if was_started else container.startupProbe,
            "liveness": container.livenessProbe,
            "readiness": container.readinessProbe,
        }
        for kind, probe in kinds.items():
            if probe is not None:
                probing.tasks[kind] = self._group.create_task(self._work(probing, kind, probe), name=f"{kind} {name}")

    def remove(self, container_id: str) -> None:
        """The instance has ended."""
        probing = self._probing.pop(container_id, None)
        if probing is not None:
            for task in probing.tasks.values():
                task.cancel()

    def spare(self, container_id: str) -> None:
        """Its pod is being deleted: nothing may restart it any more; its readiness is still asked."""
        probing = self._probing.get(container_id)
        if probing is not None:
            for kind in ("startup", "liveness"):
                task = probing.tasks.pop(kind, None)
                if task is not None:
                    task.cancel()
            probing.failed = None

    def started(self, container_id: str) -> bool:
        probing = self._probing.get(container_id)
        return probing is not None and probing.started.is_set()

    def ready(self, container_id: str) -> bool:
        probing = self._probing.get(container_id)
        return probing is not None and probing.ready and probing.started.is_set()

    def failed(self, container_id: str) -> Literal["startup", "liveness"] | None:
        probing = self._probing.get(container_id)
        return probing.failed if probing is not None else None

    async def _work(self, probing: _Probing, kind: ProbeKind, probe: Probe) -> None:
        subject, period = probing.subject, float(probe.periodSeconds or 10)
        if asyncio.get_running_loop().time() - self._began < period:
            await asyncio.sleep(random.random() * period)
        delay = probe.initialDelaySeconds or 0
        age = (datetime.now(UTC) - subject.started_at).total_seconds()
        await asyncio.sleep(max(0.0, delay - age))
        if kind != "startup":
            await probing.started.wait()
        threshold = Threshold(probe.successThreshold or 1, probe.failureThreshold or 3)
        if kind == "readiness":
            threshold.verdict = probing.ready
        while True:
            began = asyncio.get_running_loop().time()
            result = await self._ask(subject, probe)
            self._ended(subject.target.container_id, kind, result.outcome)
            if result.outcome != "success":
                subject.told(kind, result)
            if threshold.take(result.outcome):
                assert threshold.verdict is not None
                if self._settle(probing, kind, threshold.verdict):
                    return
            await asyncio.sleep(_next_turn(began, period) - asyncio.get_running_loop().time())

    async def _ask(self, subject: Probed, probe: Probe) -> ProbeResult:
        if probe.exec is not None:
            async with self._commands:
                return await self._try(subject, probe)
        return await self._try(subject, probe)

    async def _try(self, subject: Probed, probe: Probe) -> ProbeResult:
        for _ in range(_ATTEMPTS):
            try:
                result = await probe_once(
                    probe, subject.target, timeout=float(probe.timeoutSeconds or 1), streams=self._streams
                )
            except Exception as error:
                log.exception("a probe failed by itself", extra={"container": subject.container.name})
                result = ProbeResult("unknown", str(error))
            if result.outcome != "unknown":
                break
        return ProbeResult(result.outcome, result.output[:MAX_OUTPUT])

    def _settle(self, probing: _Probing, kind: ProbeKind, verdict: bool) -> bool:
        """Note a verdict; True when this probe has said its last word."""
        over = False
        match kind:
            case "readiness":
                probing.ready = verdict
            case "startup" if verdict:
                probing.started.set()
                over = True
            case "startup" | "liveness" if not verdict:
                probing.failed = kind
                over = True
        probing.subject.changed()
        return over


def _next_turn(began: float, period: float) -> float:
    """When the next probe is due: one period after the last began, at the nearest turn."""
    return max(1, round((began + period) / _TURN)) * _TURN
