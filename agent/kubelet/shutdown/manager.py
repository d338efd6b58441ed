"""The shutdown manager: holds up the host's shutdown while pods end. Run by the kubelet when it is switched on.

     ┌── watching, with the lock ◄───── the shutdown was cancelled: take the lock again ──┐
     │ PrepareForShutdown                                                                 │
     ▼                                                                                    │
    shutting down: NotReady, new pods refused, groups of pods end ──► the lock is released┘

Without logind it says so once and keeps trying; pods are not harmed by that.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from lightkube.models.core_v1 import Pod

from agent.kubelet.admission.chain import Refusal
from agent.kubelet.labels import identity
from agent.kubelet.pod.termination import Termination
from agent.kubelet.shutdown.plan import Group, Period, grace, groups
from agent.reporter import Reporter

log = logging.getLogger(__name__)

_REASON = "Terminated"
_MESSAGE = "Pod was terminated in response to imminent node shutdown."
_REFUSAL = Refusal("NodeShutdown", "Pod was rejected as the node is shutting down.")
_AGAIN_FIRST, _AGAIN_LAST = 1.0, 60.0
#: Seconds beyond a group's time in which what did not end is killed.
_KILL_SECONDS = 1.0
#: Seconds in which the last statuses leave the node before it goes down.
_LAST_WORDS = 0.5


class InhibitorFailed(Exception):
    """The host's shutdown cannot be watched or delayed now."""


class Inhibitor(Protocol):
    """What can delay this host's shutdown. Every method may raise InhibitorFailed."""

    async def allow(self, seconds: float) -> None:
        """See to it that a delay may be so long, as far as possible."""
        ...

    async def take(self) -> None:
        """Delay shutdowns from now on. Idempotent."""
        ...

    async def release(self) -> None:
        """Delay no longer. Idempotent."""
        ...

    def shutdowns(self) -> AsyncIterator[bool]:
        """True: a shutdown begins; False: it is called off. Ends with InhibitorFailed alone."""
        ...


class ShutdownManager:
    """connect: makes an Inhibitor, for as long as it is entered. terminate: ends a pod, returns when it has ended.

    changed is called when the node begins to shut down or does so no longer.
    """

    def __init__(
        self,
        *,
        periods: Sequence[Period],
        connect: Callable[[], AbstractAsyncContextManager[Inhibitor]],
        pods: Callable[[], Sequence[Pod]],
        terminate: Callable[[Pod, Termination], Awaitable[None]],
        reporter: Reporter,
        changed: Callable[[], None],
    ) -> None:
        self._periods = tuple(periods)
        self._connect = connect
        self._pods = pods
        self._terminate = terminate
        self._reporter = reporter
        self._changed = changed
        self._shutting_down = False

    @property
    def problem(self) -> str:
        """For the Ready condition; empty while the node does not shut down."""
        return "node is shutting down" if self._shutting_down else ""

    def admit(self, pod: Pod) -> Refusal | None:
        """As a PodAdmitHandler."""
        return _REFUSAL if self._shutting_down else None

    async def run(self) -> None:
        """Returns at once when no time is given to pods."""
        if not self._periods:
            return
        told, pause = "", _AGAIN_FIRST
        while True:
            try:
                async with self._connect() as inhibitor:
                    await inhibitor.allow(sum(one.seconds for one in self._periods))
                    await inhibitor.take()
                    log.info("shutdowns of the host wait for its pods")
                    told, pause = "", _AGAIN_FIRST
                    await self._watch(inhibitor)
            except InhibitorFailed as error:
                if str(error) != told:
                    told = str(error)
                    log.warning("the host's shutdown cannot be delayed: %s", error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _AGAIN_LAST)

    async def _watch(self, inhibitor: Inhibitor) -> None:
        """Raises InhibitorFailed."""
        async for begins in inhibitor.shutdowns():
            if begins == self._shutting_down:
                continue
            self._shutting_down = begins
            what = "shutdown event" if begins else "shutdown cancellation"
            log.warning("the host shuts down" if begins else "the host's shutdown was called off")
            self._reporter.event(None, "Normal", "NodeShutdown", f"Shutdown manager detected {what}")
            self._changed()
            if begins:
                await self.end_pods()
                await inhibitor.release()
            else:
                await inhibitor.take()

    async def end_pods(self) -> None:
        """All of them, a group after the other, each with its time at most."""
        for group in groups(self._periods, self._pods()):
            log.info("pods end for the shutdown", extra={"pods": len(group.pods), "seconds": group.seconds})
            try:
                async with asyncio.timeout(group.seconds + _KILL_SECONDS), asyncio.TaskGroup() as ending:
                    for pod in group.pods:
                        ending.create_task(self._end(pod, group))
            except TimeoutError:
                log.warning("pods took longer than their time for the shutdown", extra={"seconds": group.seconds})
        await asyncio.sleep(_LAST_WORDS)

    async def _end(self, pod: Pod, group: Group) -> None:
        try:
            await self._terminate(pod, Termination(_REASON, _MESSAGE, grace(pod, group), disruption=True))
        except Exception:
            log.exception("a pod could not be ended for the shutdown", extra={"pod": identity(pod)})
