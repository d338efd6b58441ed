"""Garbage collection of dead containers. The kubelet runs it, and pressure eviction asks for all that may go.

A pod's worker itself keeps only so many dead instances of each container (`DeadContainers.kept`); this one looks after their
number on the whole node. Never goes: the newest instance of a container (its labels hold restarts and back-off, its end is
shown), and what runs. Logs go with their containers. Dead sandboxes are the workers', leftovers of unknown pods the orphans'.
https://kubernetes.io/docs/concepts/architecture/garbage-collection/#container-image-garbage-collection
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from agent.kubelet.pleg import Pleg
from agent.kubelet.pod.observation import PodObservation
from agent.runtime.errors import RuntimeFailure
from agent.runtime.protocol import Lifecycle
from agent.runtime.spec import ContainerState
from agent.settings.kubelet import KubeletSettings

log = logging.getLogger(__name__)

_PERIOD = 60.0


@dataclass(frozen=True, slots=True)
class DeadContainers:
    """What is kept. per_container, in_all: -1 for no limit. minimum_age: seconds since its end before one may go."""

    per_container: int = 1
    in_all: int = -1
    minimum_age: float = 0.0

    @classmethod
    def of(cls, settings: KubeletSettings) -> "DeadContainers":
        return cls(
            settings.maximum_dead_containers_per_container,
            settings.maximum_dead_containers,
            settings.minimum_container_ttl_duration,
        )

    def surplus(self, instances: tuple[ContainerState, ...], now: datetime) -> list[ContainerState]:
        """Of one container's instances, newest first: the dead ones beyond the limit. The two newest stay: they are shown."""
        if self.per_container < 0:
            return []
        kept = max(2, self.per_container + 1)
        return [one for one in instances[kept:] if not one.running and self.old(one, now)]

    def old(self, state: ContainerState, now: datetime) -> bool:
        return (now - (state.finished_at or state.created_at)).total_seconds() >= self.minimum_age

    def beyond(self, pods: Iterable[PodObservation], now: datetime, *, everything: bool = False) -> list[ContainerState]:
        """What must go so that no more are left in all, the longest dead first; everything: all that may go."""
        dead, may_go = 0, list[ContainerState]()
        for observed in pods:
            for name in observed.instances or {}:
                instances = observed.all_instances(name)
                ended = [one for one in instances if not one.running]
                dead += len(ended)
                may_go += [one for one in ended if one is not instances[0] and (everything or self.old(one, now))]
        if everything:
            return may_go
        number = max(0, dead - self.in_all) if self.in_all >= 0 else 0
        return sorted(may_go, key=lambda one: one.finished_at or one.created_at)[:number]


#: Kubernetes' own.
DEFAULT = DeadContainers()


class ContainerGC:
    def __init__(self, *, runtime: Lifecycle, pleg: Pleg, settings: KubeletSettings) -> None:
        self._runtime = runtime
        self._pleg = pleg
        self._policy = DeadContainers.of(settings)

    async def run(self) -> None:
        """Returns at once when the number of all dead containers has no limit."""
        if self._policy.in_all < 0:
            return
        await self._pleg.synced.wait()
        while True:
            await self.collect()
            await asyncio.sleep(_PERIOD)

    async def collect(self, *, everything: bool = False) -> None:
        """What cannot be removed now is tried again at the next look."""
        observed = [self._pleg.observation(uid) for uid in self._pleg.pods()]
        for state in self._policy.beyond(observed, datetime.now(UTC), everything=everything):
            try:
                await self._runtime.remove(state.id)
                await self._pleg.refresh(state.id)
            except RuntimeFailure as error:
                log.warning("a dead container could not be removed", extra={"container": state.name, "error": error})
