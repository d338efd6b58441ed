"""What a pod's status says: active, ready, available.

Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions
"""

from datetime import datetime, timedelta

from lightkube.models.core_v1 import PodCondition
from lightkube.resources.core_v1 import Pod

from master.controllers.objects.metadata import terminating


def phase_of(pod: Pod) -> str:
    """The phase; Pending before anything was reported."""
    return (pod.status.phase if pod.status else None) or "Pending"


def node_of(pod: Pod) -> str:
    """The node that the pod is bound to; "" while it is bound to none."""
    return (pod.spec.nodeName if pod.spec else None) or ""


def is_finished(pod: Pod) -> bool:
    return phase_of(pod) in {"Succeeded", "Failed"}


def is_active(pod: Pod) -> bool:
    """Neither finished nor on its way out: what counts towards replicas."""
    return not is_finished(pod) and not terminating(pod)


def condition_of(pod: Pod, type_: str) -> PodCondition | None:
    for condition in (pod.status.conditions if pod.status else None) or ():
        if condition.type == type_:
            return condition
    return None


def is_ready(pod: Pod) -> bool:
    condition = condition_of(pod, "Ready")
    return condition is not None and condition.status == "True"


def ready_since(pod: Pod) -> datetime | None:
    """When the pod became ready; None when it is not, or does not say."""
    condition = condition_of(pod, "Ready")
    if condition is None or condition.status != "True":
        return None
    return condition.lastTransitionTime


def available_at(pod: Pod, min_ready_seconds: int) -> datetime | None:
    """From when on the pod counts as available; None while it is not ready."""
    since = ready_since(pod)
    return None if since is None else since + timedelta(seconds=min_ready_seconds)


def is_available(pod: Pod, min_ready_seconds: int, now: datetime) -> bool:
    """Ready, and for long enough."""
    if not is_ready(pod):
        return False
    if min_ready_seconds == 0:
        return True
    at = available_at(pod, min_ready_seconds)
    return at is not None and at <= now
