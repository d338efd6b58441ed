"""What a pod as a whole requests and may use at most, over its containers of all kinds.

    sidecars (init containers that restart always) run beside the containers, and beside every init container after them;
    init containers run one after another: the largest counts, when it is more than all that run later
    the overhead of the pod's RuntimeClass comes on top

Also LimitRanger's, for limits of type Pod. Source: k8s.io/component-helpers resource/helpers.go (PodRequests, PodLimits).
"""

from typing import Any

from master.quota.quantities import added, largest
from proto.k8s.quantity import parse

Json = dict[str, Any]


def pod_requests(spec: Json, *, overhead: bool = True) -> dict[str, str]:
    total = _of_containers(spec, "requests")
    return added(total, spec.get("overhead") or {}) if overhead else total


def pod_limits(spec: Json, *, overhead: bool = True) -> dict[str, str]:
    """Overhead counts only towards what is limited at all."""
    total = _of_containers(spec, "limits")
    if not overhead:
        return total
    extra = spec.get("overhead") or {}
    return added(total, {name: text for name, text in extra.items() if name in total and parse(total[name])})


def is_best_effort(spec: Json) -> bool:
    """No container requests or limits CPU or memory."""
    return not any(
        parse(text)
        for field in ("initContainers", "containers")
        for container in spec.get(field) or ()
        for listed in ("requests", "limits")
        for name, text in ((container.get("resources") or {}).get(listed) or {}).items()
        if name in ("cpu", "memory")
    )


def _of_containers(spec: Json, field: str) -> dict[str, str]:
    total = added(*(_resources(container, field) for container in spec.get("containers") or ()))
    sidecars: dict[str, str] = {}
    initially: dict[str, str] = {}
    for container in spec.get("initContainers") or ():
        wanted = _resources(container, field)
        if container.get("restartPolicy") == "Always":
            total = added(total, wanted)
            sidecars = added(sidecars, wanted)
            initially = largest(initially, sidecars)
        else:
            initially = largest(initially, added(wanted, sidecars))
    return largest(total, initially)


def _resources(container: Json, field: str) -> Json:
    resources: Json = (container.get("resources") or {}).get(field) or {}
    return resources
