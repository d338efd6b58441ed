"""The quality of service that a pod's requests and limits amount to (ComputePodQOS)."""

from typing import Any

Json = dict[str, Any]


def qos_class(spec: Json) -> str:
    """Guaranteed, Burstable or BestEffort, by the containers' cpu and memory."""
    requests_seen = limits_seen = False
    guaranteed = True
    for field in ("initContainers", "containers"):
        for container in spec.get(field) or ():
            resources = container.get("resources") or {}
            limits = {n: q for n, q in (resources.get("limits") or {}).items() if n in ("cpu", "memory")}
            requests = {n: q for n, q in (resources.get("requests") or {}).items() if n in ("cpu", "memory")}
            requests_seen, limits_seen = requests_seen or bool(requests), limits_seen or bool(limits)
            guaranteed = guaranteed and len(limits) == 2 and {**limits, **requests} == limits
    if not requests_seen and not limits_seen:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
