"""Ends what carries the house's mark but belongs to no desired pod. Run by the kubelet; acts only when the master has said, in
a signed index, which pods there are (of static pods: when their whole folder could be read): absence alone never means delete.
"""

import asyncio
import logging
from collections.abc import Callable, Set
from pathlib import Path

from agent.kubelet.critical import is_static_uid
from agent.kubelet.labels import grace_of, identity_of
from agent.kubelet.pleg import Pleg
from agent.kubelet.pod.directory import PodDirectory
from agent.kubelet.pod.grace import Grace, race, single_failure
from agent.runtime.errors import RuntimeFailure
from agent.runtime.protocol import Lifecycle
from agent.runtime.spec import ContainerState
from agent.volumes.tear_down import tear_down

log = logging.getLogger(__name__)

_KILL_WAIT = 10.0
_PERIOD = 5.0


class Orphans:
    def __init__(self, *, runtime: Lifecycle, pleg: Pleg, root: Path) -> None:
        self._runtime = runtime
        self._pleg = pleg
        self._root = root

    async def run(
        self, *, known: Callable[[], Set[str]], by_master: Callable[[], bool], by_folder: Callable[[], bool]
    ) -> None:
        """known: the uids that are desired or still being ended. Whether the word of master and folder is complete."""
        await self._pleg.synced.wait()
        while True:
            await self._end_all(known, by_master=by_master(), by_folder=by_folder())
            await asyncio.sleep(_PERIOD)

    async def _end_all(self, known: Callable[[], Set[str]], *, by_master: bool, by_folder: bool) -> None:
        if not by_master and not by_folder:
            return
        here = self._pleg.pods() | await self.directories()
        for uid in here - known() - {""}:
            if not (by_folder if is_static_uid(uid) else by_master):
                continue
            try:
                await self.end(uid)
            except (RuntimeFailure, OSError) as error:
                log.warning("an orphaned pod could not be ended yet", extra={"uid": uid, "error": error})

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
