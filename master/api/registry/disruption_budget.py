"""What a PodDisruptionBudget says of an eviction: which budget a pod has, whether it lets the pod go, what that costs.

Pure functions over JSON, called by `evictions`. Source: k8s.io/kubernetes pkg/registry/core/pod/storage/eviction.go.
"""

import copy
from collections.abc import Iterable
from datetime import UTC, datetime

from master.api.kinds.rules.metadata import selector_matches
from master.client.errors import StatusError, forbidden
from master.client.protocol import Json
from proto.k8s.time import format_time

#: The reason in a refusal's details, by which clients know it.
CAUSE = "DisruptionBudget"
_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
#: Evictions that the budget's controller has not seen yet.
_MAX_DISRUPTED = 2000
_RETRY_SECONDS = 10
_CONDITION = "DisruptionAllowed"


def needs_no_budget(pod: Json) -> bool:
    """A pod that serves nobody: finished, going already, or not yet running."""
    phase = (pod.get("status") or {}).get("phase")
    return phase in ("Succeeded", "Failed", "Pending") or bool(pod["metadata"].get("deletionTimestamp"))


def may_become_healthy(pod: Json) -> bool:
    """Whether a pod that needs no budget could need one by the time that it is deleted."""
    phase = (pod.get("status") or {}).get("phase")
    return phase not in ("Succeeded", "Failed") and not pod["metadata"].get("deletionTimestamp")


def is_ready(pod: Json) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def budgets_of(pod: Json, budgets: Iterable[Json]) -> list[Json]:
    """Those of the pod's namespace that select it; one without a selector selects nothing."""
    labels = pod["metadata"].get("labels") or {}
    return [
        budget
        for budget in budgets
        if (selector := (budget.get("spec") or {}).get("selector")) is not None and selector_matches(selector, labels)
    ]


def spares_nothing(budget: Json, pod: Json) -> bool:
    """Whether the pod's end costs nothing: it is not ready, and its budget either allows that or has what it needs."""
    if is_ready(pod):
        return False
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    desired = status.get("desiredHealthy") or 0
    return desired > 0 and (status.get("currentHealthy") or 0) >= desired


def spent(budget: Json, pod_name: str, now: datetime | None = None) -> Json:
    """The budget after this pod's eviction. Raises StatusError 429 when it allows none, 403 when it is out of order."""
    metadata, status = budget["metadata"], budget.get("status") or {}
    name, allowed = metadata["name"], status.get("disruptionsAllowed") or 0
    if (status.get("observedGeneration") or 0) < (metadata.get("generation") or 0):
        raise still_processing(name)
    if allowed < 0:
        raise forbidden("poddisruptionbudget", "policy", name, "pdb disruptions allowed is negative")
    if len(status.get("disruptedPods") or {}) > _MAX_DISRUPTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise forbidden("poddisruptionbudget", "policy", name, why)
    if allowed == 0:
        desired, current = status.get("desiredHealthy") or 0, status.get("currentHealthy") or 0
        raise _refused(f"The disruption budget {name} needs {desired} healthy pods and has {current} currently", 0)
    at = format_time(now or datetime.now(UTC))
    after = copy.deepcopy(budget)
    after["status"]["disruptionsAllowed"] = allowed - 1
    # The controller counts the pod as gone from now on, unless it is still there after a while.
    after["status"]["disruptedPods"] = {**(status.get("disruptedPods") or {}), pod_name: at}
    if allowed == 1:
        _forbid_more(after["status"], at)
    return after


def still_processing(name: str) -> StatusError:
    """The budget does not say yet what it allows, or the pod became healthy meanwhile: try again."""
    return _refused(f"The disruption budget {name} is still being processed by the server.", _RETRY_SECONDS)


def several_budgets() -> StatusError:
    """Kubernetes' own answer to a pod with two budgets, code and all: nobody could say which to spend."""
    message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    return StatusError(500, "", message)


def _refused(why: str, retry_seconds: int) -> StatusError:
    details: Json = {"causes": [{"reason": CAUSE, "message": why}]}
    if retry_seconds:
        details["retryAfterSeconds"] = retry_seconds
    return StatusError(429, "TooManyRequests", _REFUSED, details=details)


def _forbid_more(status: Json, at: str) -> None:
    conditions = status.get("conditions") or []
    known = next((c for c in conditions if c.get("type") == _CONDITION), None)
    condition = {
        "type": _CONDITION,
        "status": "False",
        "reason": "InsufficientPods",
        "message": "",
        "observedGeneration": status.get("observedGeneration", 0),
        "lastTransitionTime": at,
    }
    if known is not None and known.get("status") == "False":
        condition["lastTransitionTime"] = known.get("lastTransitionTime", at)
    status["conditions"] = [*(c for c in conditions if c is not known), condition]
