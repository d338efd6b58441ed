"""The eviction manager: looks at what is available, and ends one pod at a time while too little is. Run by the kubelet.

Each look is instant (/proc, a control group, statvfs). Pods are measured only when one must go, and those whose local storage
has a limit. It holds no state that a restart of the agent would need: what is short then is seen anew.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from lightkube.models.core_v1 import Pod

from agent.kubelet.admission.chain import Refusal
from agent.kubelet.critical import is_critical
from agent.kubelet.eviction import messages
from agent.kubelet.eviction.pressure import MEMORY, RESOURCES, Observations, Pressure
from agent.kubelet.eviction.ranking import ranked
from agent.kubelet.eviction.usage import NodeSignals, PodUse, PodUses
from agent.kubelet.labels import identity
from agent.kubelet.pod.termination import Termination
from agent.kubelet.pods import qos_class, spec_of
from agent.kubelet.recorder import Recorder
from agent.reporter import Reporter
from agent.settings.eviction import Threshold
from agent.settings.kubelet import KubeletSettings

log = logging.getLogger(__name__)

#: Seconds that a pod has to end when a hard threshold or its own limit evicts it (kubelet's).
_IMMEDIATE_GRACE = 1.0
_MEMORY_TAINT = "node.kubernetes.io/memory-pressure"


class EvictionManager:
    """pods: those that run or may run. evict: ends one and returns when it has ended, or has had the time for it.

    reclaim: what frees disk without a pod's end (dead containers, unused images), tried in order.
    """

    def __init__(
        self,
        *,
        settings: KubeletSettings,
        signals: NodeSignals,
        uses: PodUses,
        pods: Callable[[], Sequence[Pod]],
        evict: Callable[[Pod, Termination], Awaitable[None]],
        reclaim: Sequence[Callable[[], Awaitable[None]]],
        reporter: Reporter,
    ) -> None:
        self._settings = settings
        self._signals = signals
        self._uses = uses
        self._pods = pods
        self._evict = evict
        self._reclaim = tuple(reclaim)
        self._reporter = reporter
        self._recorder = Recorder(reporter)
        self._pressure = Pressure(settings.eviction_thresholds(), transition=settings.eviction_pressure_transition_period)

    @property
    def conditions(self) -> frozenset[str]:
        """The pressure conditions that the node has: MemoryPressure, DiskPressure, PIDPressure."""
        return self._pressure.conditions

    def admit(self, pod: Pod) -> Refusal | None:
        """As a PodAdmitHandler: nothing new comes to a node that is short, but what it cannot do without."""
        conditions = self.conditions
        if not conditions or is_critical(pod):
            return None
        if conditions == {MEMORY} and (qos_class(pod) != "BestEffort" or _tolerates_memory_pressure(pod)):
            return None
        return Refusal(messages.REASON, f"The node had condition: [{' '.join(sorted(conditions))}]. ")

    async def run(self) -> None:
        while True:
            try:
                evicted = await self.synchronize(asyncio.get_running_loop().time())
            except Exception:
                log.exception("a look at the node's resources failed; looking again")
                evicted = False
            if not evicted:
                await asyncio.sleep(self._settings.housekeeping_interval)

    async def synchronize(self, now: float) -> bool:
        """Look once, and act once; whether a pod was evicted. now: seconds of a monotonic clock."""
        seen = self._signals.observe()
        before = self.conditions
        due = self._pressure.observe(seen, now)
        if self.conditions != before:
            log.info("pressure on the node changed", extra={"conditions": ", ".join(sorted(self.conditions)) or "none"})
        if await self._evict_excessive():
            return True
        if not due:
            return False
        signal = due[0].signal
        resource = RESOURCES[signal]
        self._reporter.event(None, "Warning", "EvictionThresholdMet", f"Attempting to reclaim {resource}")
        if await self._reclaimed(signal):
            log.info("reclaimed enough without evicting pods", extra={"resource": resource})
            return False
        return await self._evict_one(due, seen)

    async def _evict_one(self, due: Sequence[Threshold], seen: Observations) -> bool:
        signal = due[0].signal
        pods = self._pods()
        if not pods:
            log.warning("a resource is short, and there is no pod to evict", extra={"resource": RESOURCES[signal]})
            return False
        uses = await self._uses.of(pods, disk=RESOURCES[signal] in ("ephemeral-storage", "inodes"))
        grace = _IMMEDIATE_GRACE if due[0].hard else float(self._settings.eviction_max_pod_grace_period)
        for pod in ranked(pods, uses, signal, dedicated_image_fs=self._signals.dedicated_image_fs):
            message = messages.shortage(pod, uses.get(identity(pod).uid), due, seen, signal)
            if await self._end(pod, Termination(messages.REASON, message, grace, disruption=True)):
                return True
        log.warning("a resource is short, and no pod may be evicted for it", extra={"resource": RESOURCES[signal]})
        return False

    async def _evict_excessive(self) -> bool:
        """End the pods that exceed what their own manifest allows them of the disk."""
        limited = [pod for pod in self._pods() if messages.limited(pod) and not is_critical(pod)]
        if not limited:
            return False
        uses: Mapping[str, PodUse] = await self._uses.of(limited, disk=True)
        evicted = False
        for pod in limited:
            use = uses.get(identity(pod).uid)
            if use is None:
                continue
            message = messages.excess(pod, use, dedicated_image_fs=self._signals.dedicated_image_fs)
            if message:
                evicted |= await self._end(pod, Termination(messages.REASON, message, _IMMEDIATE_GRACE))
        return evicted

    async def _end(self, pod: Pod, termination: Termination) -> bool:
        if is_critical(pod):
            return False
        log.info("evicting a pod", extra={"pod": identity(pod), "why": termination.message})
        self._recorder.warning(pod, messages.REASON, termination.message)
        await self._evict(pod, termination)
        return True

    async def _reclaimed(self, signal: str) -> bool:
        """Whether enough came free by what nobody uses."""
        on_image_fs = signal.startswith("imagefs") or not self._signals.dedicated_image_fs
        if RESOURCES[signal] not in ("ephemeral-storage", "inodes") or not on_image_fs or not self._reclaim:
            return False
        for step in self._reclaim:
            await step()
        return self._pressure.resolved(self._signals.observe())


def _tolerates_memory_pressure(pod: Pod) -> bool:
    for toleration in spec_of(pod).tolerations or ():
        matches = (toleration.key or "") in ("", _MEMORY_TAINT) and toleration.effect in (None, "", "NoSchedule")
        if matches and (toleration.operator == "Exists" or (toleration.key and not toleration.value)):
            return True
    return False
