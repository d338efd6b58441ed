"""What a pod as a whole requests and may have at most. Pure.

The larger of what its containers need together and what any init container needs, sidecars counted with both.
https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
"""

from typing import Literal

from lightkube.models.core_v1 import Container, Pod

from agent.kubelet.pods import containers, init_containers, is_sidecar, spec_of
from proto.k8s.quantity import milli, units

Which = Literal["requests", "limits"]


def pod_request(pod: Pod, resource: str) -> int:
    """In bytes, thousandths of a core, or pieces; with the overhead of its runtime class."""
    return _total(pod, resource, "requests")


def pod_limit(pod: Pod, resource: str) -> int | None:
    """The sum of those containers' that have one; None: no container has."""
    if any(_amount(one, resource, "limits") is not None for one in [*containers(pod), *init_containers(pod)]):
        return _total(pod, resource, "limits")
    return None


def amount(resource: str, quantity: str) -> int:
    """A quantity of this resource as a number."""
    return milli(quantity) if resource == "cpu" else units(quantity)


def _total(pod: Pod, resource: str, which: Which) -> int:
    total = sum(_amount(one, resource, which) or 0 for one in containers(pod))
    sidecars = most = 0
    for one in init_containers(pod):
        own = _amount(one, resource, which) or 0
        if is_sidecar(one, pod):
            sidecars += own
            most = max(most, sidecars)
        else:
            most = max(most, sidecars + own)
    overhead = (spec_of(pod).overhead or {}).get(resource)
    return max(total + sidecars, most) + (amount(resource, overhead) if overhead is not None else 0)


def _amount(container: Container, resource: str, which: Which) -> int | None:
    resources = container.resources
    if resources is None:
        return None
    found = (getattr(resources, which) or {}).get(resource)
    if found is None and which == "requests":
        found = (resources.limits or {}).get(resource)
    return amount(resource, found) if found is not None else None
