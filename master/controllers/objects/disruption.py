"""The condition DisruptionTarget: tells a pod's owner that the pod is deleted for reasons outside of it.

Source: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
"""

from datetime import datetime
from typing import Any

from lightkube.resources.core_v1 import Pod

from master.controllers.objects.metadata import uid_of
from proto.k8s.time import format_time


def disruption_patch(pod: Pod, reason: str, message: str | None, now: datetime, *, phase: str | None = None) -> dict[str, Any]:
    """A strategic merge patch of the pod's status. Without a message only the phase is set."""
    status: dict[str, Any] = {}
    if phase is not None:
        status["phase"] = phase
    if message is not None:
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": format_time(now),
        }
        status["conditions"] = [condition]
    return {"metadata": {"uid": uid_of(pod)}, "status": status}
