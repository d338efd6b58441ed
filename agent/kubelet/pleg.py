"""The pod lifecycle event generator: keeps what the runtime has, per pod, and tells who changed.

Two sources, as kubelet's evented PLEG: the engine's events tell at once, a relist after every reconnect and each
`relist_period` finds what they missed. Started once by the kubelet; pod workers read it and are woken by it. It never acts.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from agent.kubelet.labels import POD_UID
from agent.kubelet.pod.observation import PodObservation
from agent.runtime.errors import RuntimeFailure, RuntimeUnavailable
from agent.runtime.protocol import Inspection
from agent.runtime.spec import ContainerState

log = logging.getLogger(__name__)


class Pleg:
    """on_change is called with a pod's uid, on the loop, after its view changed; relisted with how long a relist took."""

    def __init__(
        self,
        *,
        runtime: Inspection,
        on_change: Callable[[str], None],
        relist_period: float,
        relisted: Callable[[float], object],
    ) -> None:
        self._runtime = runtime
        self._relisted = relisted
        self._on_change = on_change
        self._relist_period = relist_period
        self._states: dict[str, ContainerState] = {}
        self._pods: dict[str, dict[str, ContainerState]] = {}
        #: Containers that the engine told had run out of memory: its own flag is not set when the exit overtakes the event.
        self._out_of_memory: set[str] = set()
        #: Containers that are looked at after an event; True when another event came since.
        self._looking: dict[str, bool] = {}
        self._changed = asyncio.Condition()
        self._relist_now = asyncio.Event()
        self._changes = 0
        self.synced = asyncio.Event()
        #: Why the last relist failed; empty while the runtime answers.
        self.problem = "the container runtime has not answered yet"

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._relists())
            group.create_task(self._events())

    def pods(self) -> frozenset[str]:
        """Uids of all pods that have anything on the engine."""
        return frozenset(self._pods)

    def observation(self, uid: str) -> PodObservation:
        return PodObservation.of(self._pods.get(uid, {}).values())

    def state(self, container_id: str) -> ContainerState | None:
        """One container as it was seen last."""
        return self._states.get(container_id)

    async def refresh(self, container_id: str) -> ContainerState | None:
        """Look at one container now. Raises RuntimeFailure."""
        state = await self._runtime.inspect(container_id)
        await self._put(container_id, state)
        return state

    async def refresh_pod(self, uid: str) -> None:
        """Look at all of one pod's containers now. Raises RuntimeFailure."""
        known = set(self._pods.get(uid, {}))
        for state in await self._runtime.list_containers(labels={POD_UID: uid}):
            known.discard(state.id)
            await self._put(state.id, state)
        for container_id in known:
            await self.refresh(container_id)

    async def ended(self, container_id: str) -> None:
        """Wait until a container does not run any more."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._runs(container_id))

    def _runs(self, container_id: str) -> bool:
        state = self._states.get(container_id)
        return state is not None and state.running

    async def _put(self, container_id: str, state: ContainerState | None) -> None:
        before = self._states.get(container_id)
        if state is None:
            self._out_of_memory.discard(container_id)
        elif container_id in self._out_of_memory and state.exit_code:
            state = replace(state, oom_killed=True)
        if before == state:
            return
        self._changes += 1
        uid = ((state or before).labels if (state or before) else {}).get(POD_UID, "")  # type: ignore[union-attr]
        if state is None:
            self._states.pop(container_id, None)
            self._pods.get(uid, {}).pop(container_id, None)
            if not self._pods.get(uid):
                self._pods.pop(uid, None)
        else:
            self._states[container_id] = state
            self._pods.setdefault(uid, {})[container_id] = state
        async with self._changed:
            self._changed.notify_all()
        self._on_change(uid)

    async def _events(self) -> None:
        async with asyncio.TaskGroup() as group:
            async for event in self._runtime.events():
                if not event.container_id:
                    self._relist_now.set()
                    continue
                if event.action == "oom" and event.container_id in self._states:
                    self._out_of_memory.add(event.container_id)
                # Each container by itself: a look at one that the engine is stuck on must not hide the others.
                if event.container_id in self._looking:
                    self._looking[event.container_id] = True
                else:
                    self._looking[event.container_id] = False
                    group.create_task(self._look(event.container_id))

    async def _look(self, container_id: str) -> None:
        """Until no further event has come meanwhile."""
        try:
            while True:
                try:
                    await self.refresh(container_id)
                except RuntimeFailure as error:
                    log.debug("a container's event could not be followed up", extra={"error": error})
                    self._relist_now.set()
                if not self._looking[container_id]:
                    return
                self._looking[container_id] = False
        finally:
            del self._looking[container_id]

    async def _relists(self) -> None:
        retry = 0.2
        while True:
            try:
                began = time.monotonic()
                await self._relist()
                self._relisted(time.monotonic() - began)
                retry = 0.2
                wait = self._relist_period
            except RuntimeFailure as error:
                self._failed(error)
                wait = retry = min(retry * 2, 10.0)
            self._relist_now.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._relist_now.wait()
            except TimeoutError:
                continue

    async def _relist(self) -> None:
        before, changes = dict(self._states), self._changes
        found = {state.id: state for state in await self._runtime.list_containers()}
        if changes != self._changes:
            # Something changed while we listed: take those from a look of their own, not from the older list.
            for container_id in found.keys() | before.keys():
                if self._states.get(container_id) != before.get(container_id):
                    found.pop(container_id, None)
                    before.pop(container_id, None)
        for container_id, state in found.items():
            await self._put(container_id, state)
        for container_id in before.keys() - found.keys():
            try:
                await self.refresh(container_id)
            except RuntimeUnavailable as error:
                log.warning("the container engine does not tell of a container", extra={"id": container_id, "error": error})
        if self.problem:
            log.info("the container runtime answers", extra={"containers": len(found)})
        self.problem = ""
        if not self.synced.is_set():
            self.synced.set()
            self._on_change("")

    def _failed(self, error: RuntimeFailure) -> None:
        if not self.problem or not self.synced.is_set():
            log.warning("the container runtime does not answer", extra={"error": error})
        self.problem = str(error) if isinstance(error, RuntimeUnavailable) else f"relist failed: {error}"
