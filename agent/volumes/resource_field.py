"""A container's requests and limits as the downward API shows them. Pure."""

from collections.abc import Mapping
from decimal import ROUND_CEILING

from lightkube.models.core_v1 import Container, ResourceRequirements

from agent.volumes.downward import UnsupportedField
from proto.k8s.quantity import parse


def resource_field(container: Container, resource: str, divisor: str | None, allocatable: Mapping[str, str]) -> str:
    """E.g. "limits.cpu" in units of `divisor`, rounded up. A limit that is not set is the node's allocatable.

    Raises UnsupportedField.
    """
    kind, _, name = resource.partition(".")
    resources = container.resources or ResourceRequirements()
    if kind not in ("limits", "requests") or not name:
        raise UnsupportedField(f"unsupported container resource : {resource}")
    limits, requests = resources.limits or {}, resources.requests or {}
    if kind == "limits":
        quantity = limits.get(name) or allocatable.get(name, "0")
    else:
        quantity = requests.get(name) or limits.get(name) or "0"
    unit = parse(divisor) if divisor and parse(divisor) else parse("1")
    return str(int((parse(quantity) / unit).to_integral_value(ROUND_CEILING)))
