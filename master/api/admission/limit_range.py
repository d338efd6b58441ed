"""One item of a LimitRange against requests and limits: minimum, maximum, and the ratio between limit and request.

Source: kubernetes' plugin/pkg/admission/limitranger (minConstraint, maxConstraint, limitRequestRatioConstraint).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from master.client.protocol import Json
from proto.k8s.quantity import parse


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is checked. `type`: as errors call it. `requests_only`: a claim has no limits, its request is bounded."""

    type: str
    requests: Mapping[str, str]
    limits: Mapping[str, str]
    requests_only: bool = False


def violations(item: Json, bounds: Bounds) -> Iterator[str]:
    """Each rule that does not hold, in Kubernetes' words."""
    for name, enforced in sorted((item.get("min") or {}).items()):
        yield from _below(name, enforced, bounds)
    for name, enforced in sorted((item.get("max") or {}).items()):
        yield from _above(name, enforced, bounds)
    if not bounds.requests_only:
        for name, enforced in sorted((item.get("maxLimitRequestRatio") or {}).items()):
            yield from _disproportionate(name, enforced, bounds)


def _below(name: str, enforced: str, bounds: Bounds) -> Iterator[str]:
    rule = f"minimum {name} usage per {bounds.type} is {enforced}"
    request, limit = bounds.requests.get(name), bounds.limits.get(name)
    if request is None:
        yield f"{rule}.  No request is specified"
    elif parse(request) < parse(enforced):
        yield f"{rule}, but request is {request}"
    elif limit is not None and parse(limit) < parse(enforced):
        yield f"{rule}, but limit is {limit}"


def _above(name: str, enforced: str, bounds: Bounds) -> Iterator[str]:
    rule = f"maximum {name} usage per {bounds.type} is {enforced}"
    request, limit = bounds.requests.get(name), bounds.limits.get(name)
    if not bounds.requests_only:
        if limit is None:
            yield f"{rule}.  No limit is specified"
            return
        if parse(limit) > parse(enforced):
            yield f"{rule}, but limit is {limit}"
            return
    elif request is None:
        yield f"{rule}.  No request is specified"
    if request is not None and parse(request) > parse(enforced):
        yield f"{rule}, but request is {request}"


def _disproportionate(name: str, enforced: str, bounds: Bounds) -> Iterator[str]:
    rule = f"{name} max limit to request ratio per {bounds.type} is {enforced}"
    request, limit = parse(bounds.requests.get(name, "0")), parse(bounds.limits.get(name, "0"))
    if not request:
        yield f"{rule}, but no request is specified or request is 0"
    elif not limit:
        yield f"{rule}, but no limit is specified or limit is 0"
    elif limit / request > parse(enforced):
        yield f"{rule}, but provided ratio is {float(limit / request):f}"
