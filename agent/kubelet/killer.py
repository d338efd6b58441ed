"""Ends containers with grace: preStop hook, stop signal, grace period, SIGKILL. Called by the pod worker.

Cancelling it (the agent stops) leaves the container as it is: a restarted agent begins again.
"""

import asyncio
import logging
from collections.abc import Iterable

from lightkube.models.core_v1 import Container, Pod

from agent.kubelet.grace import Grace, race, single_failure
from agent.kubelet.hooks import HookFailed, run_hook
from agent.kubelet.labels import CONTAINER_NAME
from agent.kubelet.pleg import Pleg
from agent.kubelet.pods import every_container, init_containers, is_sidecar
from agent.kubelet.recorder import Recorder
from agent.runtime.protocol import ContainerRuntime
from agent.runtime.spec import ContainerState

log = logging.getLogger(__name__)

#: What is left for SIGTERM when the preStop hook took all the grace, in seconds; as kubelet.
_MINIMUM_AFTER_HOOK = 2.0
#: How long a killed container may take to be gone before it is looked at again, in seconds.
_KILL_WAIT = 10.0


class Killer:
    def __init__(self, *, runtime: ContainerRuntime, pleg: Pleg, recorder: Recorder) -> None:
        self._runtime = runtime
        self._pleg = pleg
        self._recorder = recorder

    async def kill_all(self, pod: Pod, running: Iterable[ContainerState], *, grace: Grace, address: str) -> None:
        """All at once, sidecars after the others, in reverse order of their start. Raises RuntimeFailure."""
        by_name = {container.name: container for container in every_container(pod)}
        sidecars = [container.name for container in init_containers(pod) if is_sidecar(container, pod)]
        found = list(running)
        mains = [state for state in found if state.labels.get(CONTAINER_NAME) not in sidecars]
        async with single_failure(), asyncio.TaskGroup() as group:
            for state in mains:
                container = by_name.get(state.labels.get(CONTAINER_NAME, ""))
                group.create_task(self.kill(pod, container, state, grace=grace, address=address))
        for name in reversed(sidecars):
            for state in found:
                if state.labels.get(CONTAINER_NAME) == name:
                    await self.kill(pod, by_name[name], state, grace=grace, address=address)

    async def kill(
        self, pod: Pod, container: Container | None, state: ContainerState, *, grace: Grace, address: str, message: str = ""
    ) -> None:
        """End one container; returns when it has ended. Raises RuntimeFailure."""
        name = state.labels.get(CONTAINER_NAME, "")
        self._recorder.normal(pod, "Killing", message or f"Stopping container {name}", container)
        hook = container.lifecycle.preStop if container is not None and container.lifecycle is not None else None
        stop = container.lifecycle.stopSignal if container is not None and container.lifecycle is not None else None
        if hook is not None and grace.remaining > 0:
            assert container is not None

            async def pre_stop() -> None:
                try:
                    await run_hook(hook, container, container_id=state.id, address=address, streams=self._runtime)
                except HookFailed as error:
                    log.info("a preStop hook failed", extra={"pod": pod.metadata and pod.metadata.name, "error": error})
                    self._recorder.warning(pod, "FailedPreStopHook", "PreStopHook failed", container)

            await race(pre_stop(), race(self._pleg.ended(state.id), grace.expired()))
            if grace.remaining < _MINIMUM_AFTER_HOOK:
                grace = Grace(_MINIMUM_AFTER_HOOK)
        if grace.remaining > 0:
            await self._runtime.kill(state.id, stop or await self._stop_signal(state))
            await race(self._pleg.ended(state.id), grace.expired())
        while (present := await self._pleg.refresh(state.id)) is not None and present.running:
            await self._runtime.kill(state.id, "SIGKILL")
            await race(self._pleg.ended(state.id), asyncio.sleep(_KILL_WAIT))

    async def _stop_signal(self, state: ContainerState) -> str:
        image = await self._runtime.image(state.image_id)
        return (image.stop_signal if image is not None else "") or "SIGTERM"
