"""One worker per pod uid: the only one that ever acts on that pod's containers.

              ┌────────── something changed: manifest, containers, probe, object, timer ──────────┐
              ▼                                                                                   │
    ──► [ syncing ] ── compute_pod_actions: nothing ──────────────────────────────────────────────┘
              │                     else: kill, remove, sandbox, create, start, and look again
              │ deletionTimestamp, or an order that removes the pod
              ▼
        [ terminating ] ── preStop, SIGTERM, grace (may shrink), SIGKILL, until nothing runs
              │
              ▼
        [ terminated ] ── containers, sandbox, volumes, directory removed ──► reporter: terminated

Invariants: level-triggered, it remembers nothing that it could not find again from the engine's labels and the pod's record;
cancelling it (the agent stops) at any point touches no container; a status goes to the reporter as soon as it changes, also
while an action takes long. Run and restarted by `agent.kubelet.kubelet`.
"""

import asyncio
import contextlib
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from lightkube.models.core_v1 import Pod

from agent.kubelet.container_gc import DeadContainers
from agent.kubelet.labels import identity
from agent.kubelet.pod.actions import PodActions, compute_pod_actions
from agent.kubelet.pod.backoff import SyncBackOff
from agent.kubelet.pod.container_status import WaitReason
from agent.kubelet.pod.directory import PodDirectory
from agent.kubelet.pod.executor import Executor
from agent.kubelet.pod.grace import Grace
from agent.kubelet.pod.killer import MINIMUM_GRACE
from agent.kubelet.pod.termination import Termination
from agent.kubelet.pod.view import PodView
from agent.kubelet.pods import deletion_time, grace_period, spec_of
from agent.kubelet.resize.resizer import Resizer
from agent.kubelet.services import PodServices
from agent.runtime.errors import RuntimeFailure, RuntimeUnavailable
from agent.volumes.tear_down import tear_down

log = logging.getLogger(__name__)

_UNAVAILABLE_RETRY = 1.0
#: Seconds for a pod that was deleted by force: it is gone from the API, and what takes its place may run already.
_FORCED_GRACE = MINIMUM_GRACE


class PodWorker:
    """`pod`: the manifest as last ordered; `removed`: an order took it away."""

    def __init__(self, services: PodServices, pod: Pod) -> None:
        self._services = services
        self._pod = pod
        self.uid = identity(pod).uid
        self._directory = PodDirectory.of(services.root, self.uid)
        self._view = PodView(services, self._directory, on_change=self.wake)
        self._executor = Executor(services, self._directory, self._view)
        self._resizer = Resizer(services, self._view, wake=self.wake)
        self._resizer.hold(pod)
        self._sync_wanted = asyncio.Event()
        self._status_wanted = asyncio.Event()
        self._deletion = asyncio.Event()
        self._grace: Grace | None = None
        self._last_status: dict[str, Any] | None = None
        #: Until when, on the loop's clock, a container that failed to start is not tried again; "" stands for all.
        self._held: dict[str, float] = {}
        self._back_off = SyncBackOff()
        #: On the loop's clock, when the pod has been active for as long as it may: jumps of the node's clock do not count.
        self._deadline: tuple[int, float] | None = None
        self._forced = False
        self._dead = DeadContainers.of(services.settings)
        self._loaded = asyncio.Event()
        #: Nothing of a pod that has ended for good runs any more.
        self._ended = asyncio.Event()

    @property
    def pod(self) -> Pod:
        return self._pod

    @property
    def status(self) -> dict[str, Any] | None:
        """As last reported."""
        return self._last_status

    def update(self, pod: Pod) -> None:
        """The manifest as ordered now."""
        if pod.spec != self._pod.spec:
            self._back_off.reset()
            self._held.clear()
        self._pod = pod
        if deletion_time(pod) is not None:
            self._delete()
        # The downward API shows labels and annotations in files.
        self._executor.volumes_stale = True
        self.wake()

    def remove(self) -> None:
        """An order took the pod away before its end was reported here: it was deleted by force."""
        self._forced = True
        self._delete()
        self.wake()

    @property
    def active(self) -> bool:
        """Whether it runs or may run: neither being deleted nor ended for good."""
        return self._loaded.is_set() and not self._deletion.is_set() and not self._view.over

    async def terminate(self, termination: Termination) -> None:
        """The node ends the pod for good; returns when nothing of it runs any more."""
        await self._loaded.wait()
        if self._grace is not None:
            self._grace.shorten(termination.grace)
        self._view.terminate(termination)
        self.wake()
        await self._ended.wait()

    def objects_changed(self) -> None:
        """Something that the manifest refers to may have changed."""
        self._executor.volumes_stale = True
        self._held.clear()
        self.wake()

    def wake(self) -> None:
        self._status_wanted.set()
        self._sync_wanted.set()

    def _delete(self) -> None:
        if self._grace is not None:
            self._grace.shorten(self._grace_seconds())
        self._deletion.set()

    def _grace_seconds(self) -> float:
        """At least a second, as kubelet, for containers that are told to end at once too."""
        seconds = max(1.0, float(grace_period(self._pod)))
        return min(seconds, _FORCED_GRACE) if self._forced else seconds

    async def run(self) -> None:
        """Until the pod is terminated and reported so. Safe to call again after an error."""
        await self._services.pleg.synced.wait()
        await self._view.load(self._pod)
        self._resizer.admit(self._pod)
        if deletion_time(self._pod) is not None:
            self._deletion.set()
        await self._admit()
        self._loaded.set()
        self.wake()
        async with asyncio.TaskGroup() as group:
            status = group.create_task(self._status_loop())
            syncing = group.create_task(self._sync_loop())
            await self._deletion.wait()
            syncing.cancel()
            await asyncio.wait([syncing])
            await self._terminate()
            self._ended.set()
            status.cancel()
            await asyncio.wait([status])
        await self._clean_up()
        self._resizer.release(self._pod)
        self._services.node_admission.release(self.uid)
        assert self._last_status is not None
        self._services.reporter.pod_status(self._pod, self._last_status, terminated=True)
        log.info("pod terminated", extra={"pod": identity(self._pod)})

    async def _admit(self) -> None:
        """Of what is new here the node takes only what it can."""
        node = self._services.node_admission
        new = self._view.fresh and not self._services.pleg.observation(self.uid).everything()
        if not new or self._deletion.is_set() or self._view.over:
            if not self._view.over:
                node.keep(self.uid, self._view.record.devices)
            return
        refusal = self._services.admission.admit(self._pod)
        if refusal is not None:
            log.info("a pod is refused", extra={"pod": identity(self._pod), "why": refusal.message})
            self._services.recorder.warning(self._pod, refusal.reason, refusal.message)
            self._view.refuse(refusal)
        elif devices := node.devices.held(self.uid):
            # Before anything starts: a restarted agent must find what was handed out.
            self._view.given(devices)
            await self._view.save()

    async def _status_loop(self) -> None:
        while True:
            await self._status_wanted.wait()
            self._status_wanted.clear()
            await self._report()

    async def _report(self) -> None:
        status = await self._view.status(self._pod, deleting=self._deletion.is_set())
        if status != self._last_status:
            self._last_status = status
            self._services.reporter.pod_status(self._pod, status)
            self._services.metrics.pod_status(self.uid, status)
        await self._view.save()

    async def _sync_loop(self) -> None:
        while True:
            self._sync_wanted.clear()
            try:
                wait = await self._sync()
            except RuntimeUnavailable as error:
                # An engine that is down answers again for all pods at once. One that answers others and not this one (a call
                # that hangs) is asked seldom: each try holds one of the few calls that it is given at a time.
                wait = _UNAVAILABLE_RETRY if self._services.pleg.problem else self._back_off.failed()
                log.info("the engine did not answer: %s", error, extra={"pod": identity(self._pod), "retry_seconds": wait})
            except RuntimeFailure as error:
                wait = self._back_off.failed()
                log.warning("a pod could not be synced: %s", error, extra={"pod": identity(self._pod), "retry_seconds": wait})
            if wait is None or wait > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._sync_wanted.wait()

    async def _sync(self) -> float | None:
        """Act once; seconds until it must look again without being told (None: never). Raises RuntimeFailure."""
        now = datetime.now(UTC)
        pod, observed = self._resizer.admit(self._pod), self._services.pleg.observation(self.uid)
        left = self._active_seconds_left()
        if left is not None and left <= 0 and not self._view.over:
            message = "Pod was active on the node longer than the specified deadline"
            self._services.recorder.normal(pod, "DeadlineExceeded", message)
            self._view.end("Failed", "DeadlineExceeded", message)
        if (pause := self._back_off.remaining) and not self._view.over:
            # Whatever wakes a pod that failed: it waits.
            return min(pause, left) if left is not None else pause
        if self._view.over and not observed.running():
            self._services.node_admission.release(self.uid)
        # Before the decision: whether a sidecar has started is known by its probes only.
        self._view.watch_probes(pod, observed, deleting=False)
        actions = compute_pod_actions(
            pod,
            observed,
            now=now,
            verdicts=self._view.verdicts(observed),
            started=self._view.started(observed),
            restarts=self._resizer.restarts(pod, observed),
            forgiven=self._view.forgiven,
            over=self._view.over,
            dead=self._dead,
        )
        self._note_waiting(actions)
        retry_resize = await self._resizer.apply(pod, observed)
        retry_volumes = await self._executor.refresh_volumes(pod, running=bool(observed.running()))
        actions = self._without_held(actions)
        if not actions.nothing:
            loop = asyncio.get_running_loop()
            for name, seconds in (await self._executor.execute(pod, observed, actions)).items():
                self._held[name] = loop.time() + seconds
            self._back_off.reset()
        elif self._view.over:
            self._ended.set()
        waits = [max(0.01, (actions.wake_at - datetime.now(UTC)).total_seconds())] if actions.wake_at is not None else []
        waits += [max(0.01, left)] if left is not None and not self._view.over else []
        waits += [retry for retry in (retry_resize, retry_volumes) if retry is not None]
        waits += [max(0.01, until - asyncio.get_running_loop().time()) for until in self._held.values()]
        return min(waits, default=None)

    def _without_held(self, actions: PodActions) -> PodActions:
        """What failed lately waits, whatever else happens meanwhile; a changed manifest or object sets it free."""
        now = asyncio.get_running_loop().time()
        self._held = {name: until for name, until in self._held.items() if until > now}
        if not self._held:
            return actions
        start = tuple(one for one in actions.start if not self._held.keys() & {"", one.container.name})
        return replace(actions, start=start, create_sandbox=actions.create_sandbox and bool(start))

    def _active_seconds_left(self) -> float | None:
        """Until activeDeadlineSeconds is over; None without one."""
        seconds = spec_of(self._pod).activeDeadlineSeconds
        if seconds is None:
            return None
        now = asyncio.get_running_loop().time()
        if self._deadline is None or self._deadline[0] != seconds:
            spent = max(0.0, (datetime.now(UTC) - self._view.start_time).total_seconds())
            self._deadline = (seconds, now + seconds - spent)
        return self._deadline[1] - now

    def _note_waiting(self, actions: PodActions) -> None:
        for waiting in actions.waiting:
            message = waiting.message(self._pod)
            why = WaitReason("CrashLoopBackOff", message)
            if self._view.wait(waiting.container.name, why, ended=waiting.ended.id):
                name = waiting.container.name
                text = f"Back-off restarting failed container {name} in pod {identity(self._pod)}"
                self._services.recorder.warning(self._pod, "BackOff", text, waiting.container)

    async def _terminate(self) -> None:
        spent = await self._view.ending_for()
        self._grace = Grace(self._grace_seconds() - spent)
        told = ""
        while True:
            observed = self._services.pleg.observation(self.uid)
            for state in observed.running():
                self._services.probes.spare(state.id)
            try:
                # Ends with a look at the engine: a start that the deletion cut off may not have been told of yet.
                if await self._executor.kill_all(self._pod, observed, grace=self._grace):
                    return
            except RuntimeFailure as error:
                log.warning("a pod could not be ended yet", extra={"pod": identity(self._pod), "error": error})
                if str(error) != told:
                    told = str(error)
                    self._services.recorder.warning(self._pod, "FailedKillPod", f"error killing pod: {error}")
                await asyncio.sleep(_UNAVAILABLE_RETRY)

    async def _clean_up(self) -> None:
        if self._last_status is None or self._services.pleg.observation(self.uid).everything():
            # What the containers said last is read before they go.
            await self._report()
        while True:
            try:
                observed = self._services.pleg.observation(self.uid)
                await self._executor.remove(observed.everything())
                await asyncio.to_thread(tear_down, self._directory.path)
                return
            except (RuntimeFailure, OSError) as error:
                log.warning("a pod's leftovers could not be removed yet", extra={"pod": identity(self._pod), "error": error})
                await asyncio.sleep(_UNAVAILABLE_RETRY)
