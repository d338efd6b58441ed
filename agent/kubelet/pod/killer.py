"""Ends containers with grace: preStop hook, turn, stop signal, grace period, SIGKILL. Called by the pod worker.

All containers of a pod begin to end at once and share its grace. A sidecar's hook runs with the others', but its signal waits
until what it serves has ended: the containers first, then the sidecars in the reverse order of their start. Whoever's turn
comes after the grace, or whose hook used it up, still gets two seconds.

Cancelling it (the agent stops) leaves the container as it is: a restarted agent begins again.
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence

from lightkube.models.core_v1 import Container, Pod

from agent.kubelet.labels import CONTAINER_NAME, identity
from agent.kubelet.pleg import Pleg
from agent.kubelet.pod.grace import Grace, race, single_failure
from agent.kubelet.pod.hooks import HookFailed, run_hook
from agent.kubelet.pods import every_container, init_containers, is_sidecar
from agent.kubelet.recorder import Recorder
from agent.runtime.protocol import ContainerRuntime
from agent.runtime.spec import ContainerState

log = logging.getLogger(__name__)

#: What every container has between its signal and its end at least, in seconds; as kubelet.
MINIMUM_GRACE = 2.0
#: How long a killed container may take to be gone before it is looked at again, in seconds.
_KILL_WAIT = 10.0


class Killer:
    """For one pod."""

    def __init__(self, *, runtime: ContainerRuntime, pleg: Pleg, recorder: Recorder) -> None:
        self._runtime = runtime
        self._pleg = pleg
        self._recorder = recorder
        #: Instances whose end was told, and those whose hook has run: an attempt that failed does neither again.
        self._told: set[str] = set()
        self._hooked: set[str] = set()

    async def kill_all(self, pod: Pod, running: Iterable[ContainerState], *, grace: Grace, address: str) -> None:
        """End all of them. Raises RuntimeFailure."""
        by_name = {container.name: container for container in every_container(pod)}
        sidecars = [container.name for container in init_containers(pod) if is_sidecar(container, pod)]
        found = list(running)

        def position(state: ContainerState) -> int:
            name = state.labels.get(CONTAINER_NAME, "")
            return sidecars.index(name) if name in sidecars else len(sidecars)

        async with single_failure(), asyncio.TaskGroup() as group:
            for state in found:
                container = by_name.get(state.labels.get(CONTAINER_NAME, ""))
                before = [other.id for other in found if position(other) > position(state)]
                group.create_task(self.kill(pod, container, state, grace=grace, address=address, after=before))

    async def kill(
        self,
        pod: Pod,
        container: Container | None,
        state: ContainerState,
        *,
        grace: Grace,
        address: str,
        message: str = "",
        after: Sequence[str] = (),
    ) -> None:
        """End one container; returns when it has ended. Raises RuntimeFailure.

        after: ids of containers that are to have ended before this one is told to.
        """
        name = state.labels.get(CONTAINER_NAME, "")
        if state.id not in self._told:
            self._told.add(state.id)
            self._recorder.normal(pod, "Killing", message or f"Stopping container {name}", container)
        ended = self._pleg.ended
        if container is not None and grace.remaining > 0 and state.id not in self._hooked:
            await race(self._pre_stop(pod, container, state, address=address), race(ended(state.id), grace.expired()))
            self._hooked.add(state.id)
        if after and grace.remaining > 0:
            await race(self._all_ended(after), race(ended(state.id), grace.expired()))
        if grace.remaining < MINIMUM_GRACE:
            grace = Grace(MINIMUM_GRACE)
        if (present := await self._pleg.refresh(state.id)) is not None and present.running:
            await self._runtime.kill(state.id, await self._stop_signal(state))
            await race(ended(state.id), grace.expired())
        while (present := await self._pleg.refresh(state.id)) is not None and present.running:
            await self._runtime.kill(state.id, "SIGKILL")
            await race(ended(state.id), asyncio.sleep(_KILL_WAIT))

    async def _all_ended(self, container_ids: Iterable[str]) -> None:
        for container_id in container_ids:
            await self._pleg.ended(container_id)

    async def _pre_stop(self, pod: Pod, container: Container, state: ContainerState, *, address: str) -> None:
        hook = container.lifecycle.preStop if container.lifecycle is not None else None
        if hook is None:
            return
        try:
            await run_hook(hook, pod, container, container_id=state.id, address=address, streams=self._runtime)
        except HookFailed as error:
            log.info("a preStop hook failed", extra={"pod": identity(pod), "container": container.name, "error": error})
            self._recorder.warning(pod, "FailedPreStopHook", "PreStopHook failed", container)

    async def _stop_signal(self, state: ContainerState) -> str:
        image = await self._runtime.image(state.image_id)
        return (image.stop_signal if image is not None else "") or "SIGTERM"
