"""What a PodDisruptionBudget's status says: how many of its pods are healthy, how many must be, how many may go. Pure.

Called by the disruption controller. Source: k8s.io/kubernetes pkg/controller/disruption.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from lightkube.models.meta_v1 import Condition
from lightkube.models.policy_v1 import PodDisruptionBudgetSpec, PodDisruptionBudgetStatus
from lightkube.resources.core_v1 import Pod

from master.controllers.objects.metadata import name_of, terminating
from master.controllers.objects.pods import is_ready

#: How long an evicted pod may take to begin its end before it counts again.
DELETION_TIMEOUT = timedelta(minutes=2)
_CONDITION = "DisruptionAllowed"


@dataclass(frozen=True, slots=True)
class Evicted:
    """Pods that evictions have taken and that are not on their way yet; those that took too long; when to look again."""

    waiting: Mapping[str, datetime]
    late: tuple[str, ...]
    look_again: datetime | None


def needs_scale(spec: PodDisruptionBudgetSpec) -> bool:
    """Whether the number of pods that there should be matters, not only that of those that there are."""
    return spec.maxUnavailable is not None or isinstance(spec.minAvailable, str)


def evicted(disrupted: Mapping[str, datetime] | None, pods: Iterable[Pod], now: datetime) -> Evicted:
    present = {name_of(pod): pod for pod in pods}
    waiting: dict[str, datetime] = {}
    late: list[str] = []
    for name, at in (disrupted or {}).items():
        pod = present.get(name)
        if pod is None or terminating(pod):
            continue
        if at + DELETION_TIMEOUT <= now:
            late.append(name)
        else:
            waiting[name] = at
    again = min(waiting.values(), default=None)
    return Evicted(waiting, tuple(late), None if again is None else again + DELETION_TIMEOUT)


def counted(
    spec: PodDisruptionBudgetSpec, pods: Iterable[Pod], waiting: Mapping[str, datetime], expected: int
) -> tuple[int, int, int]:
    """The pods that are healthy, that must be, and that there should be. `expected`: what their controllers want in all."""
    found = list(pods)
    healthy = sum(is_ready(pod) and not terminating(pod) and name_of(pod) not in waiting for pod in found)
    if spec.maxUnavailable is not None:
        return healthy, max(0, expected - _amount(spec.maxUnavailable, expected)), expected
    if isinstance(spec.minAvailable, str):
        return healthy, _amount(spec.minAvailable, expected), expected
    return healthy, spec.minAvailable or 0, len(found)


def status_of(
    former: PodDisruptionBudgetStatus | None,
    counts: tuple[int, int, int],
    waiting: Mapping[str, datetime],
    *,
    generation: int,
    now: datetime,
) -> PodDisruptionBudgetStatus:
    healthy, desired, expected = counts
    allowed = max(0, healthy - desired) if expected > 0 else 0
    status = PodDisruptionBudgetStatus(
        currentHealthy=healthy,
        desiredHealthy=desired,
        expectedPods=expected,
        disruptionsAllowed=allowed,
        disruptedPods=dict(waiting) or None,
        observedGeneration=generation,
    )
    reason = "SufficientPods" if allowed else "InsufficientPods"
    _set_condition(status, former, reason, "", now)
    return status


def failed_status(
    former: PodDisruptionBudgetStatus | None, why: str, *, generation: int, now: datetime
) -> PodDisruptionBudgetStatus:
    """Nothing is allowed while it cannot be counted; the numbers stay."""
    status = PodDisruptionBudgetStatus(currentHealthy=0, desiredHealthy=0, disruptionsAllowed=0, expectedPods=0)
    if former is not None:
        status = msgspec.structs.replace(former, disruptionsAllowed=0)
    status.observedGeneration = generation
    _set_condition(status, former, "SyncFailed", why, now)
    return status


def _set_condition(
    status: PodDisruptionBudgetStatus, former: PodDisruptionBudgetStatus | None, reason: str, message: str, now: datetime
) -> None:
    """Its time is that of the last change from true to false or back."""
    conditions = (former.conditions if former else None) or ()
    known = next((each for each in conditions if each.type == _CONDITION), None)
    condition = Condition(
        type=_CONDITION,
        status="True" if reason == "SufficientPods" else "False",
        reason=reason,
        message=message,
        observedGeneration=status.observedGeneration,
        lastTransitionTime=now,
    )
    if known is not None and known.status == condition.status:
        condition.lastTransitionTime = known.lastTransitionTime
    status.conditions = [*(each for each in conditions if each is not known), condition]


def _amount(value: int | str, total: int) -> int:
    """A number, or a share of all that is rounded up."""
    return -(-total * int(value.removesuffix("%")) // 100) if isinstance(value, str) else value
