"""Which pods end when and with how much time when the node shuts down. Pure; called by the shutdown manager."""

from collections.abc import Iterable
from dataclasses import dataclass

from lightkube.models.core_v1 import Pod

from agent.kubelet.critical import SYSTEM_CRITICAL, priority
from agent.kubelet.pods import spec_grace
from agent.settings.kubelet import KubeletSettings


@dataclass(frozen=True, slots=True)
class Period:
    """Pods of this priority and above, up to the next period's, have so many seconds."""

    priority: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Group:
    """Pods that end together, before the next group does."""

    seconds: float
    pods: tuple[Pod, ...]


def periods(settings: KubeletSettings) -> tuple[Period, ...]:
    """In the order in which they come; none: shutdowns are not waited for."""
    if settings.shutdown_grace_period_by_pod_priority:
        given = sorted(settings.shutdown_grace_period_by_pod_priority.items())
        return tuple(Period(from_, float(seconds)) for from_, seconds in given)
    if not settings.shutdown_grace_period:
        return ()
    critical = settings.shutdown_grace_period_critical_pods
    return (Period(0, settings.shutdown_grace_period - critical), Period(SYSTEM_CRITICAL, critical))


def groups(of: tuple[Period, ...], pods: Iterable[Pod]) -> list[Group]:
    """Least important first; a period without pods is left out, and takes no time."""
    members: list[list[Pod]] = [[] for _ in of]
    for pod in pods:
        # Those below the lowest go with it.
        index = max((at for at, one in enumerate(of) if one.priority <= priority(pod)), default=0)
        members[index].append(pod)
    return [Group(period.seconds, tuple(found)) for period, found in zip(of, members, strict=True) if found]


def grace(pod: Pod, group: Group) -> float:
    """Seconds that a pod has: as many as it asks for, and no more than its group."""
    return min(float(spec_grace(pod)), group.seconds)
