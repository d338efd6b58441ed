"""Validation of a pod spec as a whole (k8s.io/kubernetes pkg/apis/core/validation). Called by Pod, Deployment, ReplicaSet."""

from typing import Any

from master.api.kinds.rules.field_errors import child, not_supported, required
from master.client.errors import Cause

Json = dict[str, Any]

RESTART_POLICIES = ("Always", "Never", "OnFailure")


def validate_pod_spec(spec: Json, path: str) -> list[Cause]:
    """Every error of a pod spec after defaulting."""
    causes: list[Cause] = []
    if not spec.get("containers"):
        causes.append(required(child(path, "containers")))
    if spec.get("restartPolicy") not in RESTART_POLICIES:
        causes.append(not_supported(child(path, "restartPolicy"), spec.get("restartPolicy"), RESTART_POLICIES))
    return causes
