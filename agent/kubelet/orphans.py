"""Ends what carries the house's mark but belongs to no desired pod. Used by the kubelet, and only when the master has said,
in a signed index, which pods there are: absence alone never means delete.
"""

import asyncio
import logging
from pathlib import Path

from agent.kubelet.labels import grace_of, identity_of
from agent.kubelet.pleg import Pleg
from agent.kubelet.pod.directory import PodDirectory
from agent.kubelet.pod.grace import Grace, race, single_failure
from agent.runtime.protocol import Lifecycle
from agent.runtime.spec import ContainerState
from agent.volumes.tear_down import tear_down

log = logging.getLogger(__name__)

_KILL_WAIT = 10.0


class Orphans:
    def __init__(self, *, runtime: Lifecycle, pleg: Pleg, root: Path) -> None:
        self._runtime = runtime
        self._pleg = pleg
        self._root = root

    async def directories(self) -> frozenset[str]:
        """Uids of pods that have a directory on this host."""

        def work() -> frozenset[str]:
            try:
                return frozenset(entry.name for entry in (self._root / "pods").iterdir() if entry.is_dir())
            except FileNotFoundError:
                return frozenset()

        return await asyncio.to_thread(work)

    async def end(self, uid: str) -> None:
        """End and remove all that is left of one pod, with the grace that its labels tell. Raises RuntimeFailure, OSError."""
        observed = self._pleg.observation(uid)
        states = observed.everything()
        if states:
            log.info("ending an orphaned pod", extra={"pod": identity_of(states[0]), "containers": len(states)})
        async with single_failure(), asyncio.TaskGroup() as group:
            for state in observed.running():
                group.create_task(self._kill(state))
        for state in sorted(states, key=lambda one: one.is_sandbox):
            await self._runtime.remove(state.id)
            await self._pleg.refresh(state.id)
        await asyncio.to_thread(tear_down, PodDirectory.of(self._root, uid).path)

    async def _kill(self, state: ContainerState) -> None:
        grace = Grace(grace_of(state))
        await self._runtime.kill(state.id, "SIGTERM")
        await race(self._pleg.ended(state.id), grace.expired())
        while (present := await self._pleg.refresh(state.id)) is not None and present.running:
            await self._runtime.kill(state.id, "SIGKILL")
            await race(self._pleg.ended(state.id), asyncio.sleep(_KILL_WAIT))
