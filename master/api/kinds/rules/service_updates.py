"""What an update of a Service carries over and drops before it is defaulted and validated.

`keep_allocated`: what was allocated and the client does not mention stays (patchAllocatedValues). `drop_type_fields`: what
belongs to the former type and the client left as it was goes with it (dropTypeDependentFields), so that a patch of `type`
alone is valid.
"""

from typing import Any

Json = dict[str, Any]

_EXTERNAL_TYPES = ("LoadBalancer", "NodePort")
_ADDRESS_FIELDS = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")


def keep_allocated(spec: Json, before: Json) -> None:
    if "ExternalName" not in (_type(spec), _type(before)) and not spec.get("clusterIP") and before.get("clusterIP"):
        for field in _ADDRESS_FIELDS:
            if before.get(field):
                spec[field] = before[field]
    if _type(spec) in _EXTERNAL_TYPES and _type(before) in _EXTERNAL_TYPES:
        _keep_node_ports(spec.get("ports") or [], before.get("ports") or [])
    if before.get("healthCheckNodePort") and not spec.get("healthCheckNodePort") and _checks_health(spec):
        spec["healthCheckNodePort"] = before["healthCheckNodePort"]


def drop_type_fields(spec: Json, before: Json) -> None:
    new, old = _type(spec), _type(before)
    if new == old:
        return
    if new == "ExternalName" and spec.get("clusterIP") == before.get("clusterIP"):
        for field in _ADDRESS_FIELDS:
            spec.pop(field, None)
    if new not in _EXTERNAL_TYPES and old in _EXTERNAL_TYPES:
        if _node_ports(spec) == _node_ports(before):
            for port in spec.get("ports") or ():
                port.pop("nodePort", None)
        if spec.get("externalTrafficPolicy") == before.get("externalTrafficPolicy") and not spec.get("externalIPs"):
            spec.pop("externalTrafficPolicy", None)
    if old == "LoadBalancer":
        for field in ("allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort"):
            if spec.get(field) == before.get(field):
                spec.pop(field, None)
    if new == "ExternalName" and spec.get("internalTrafficPolicy") == before.get("internalTrafficPolicy"):
        spec.pop("internalTrafficPolicy", None)


def _type(spec: Json) -> str:
    return spec.get("type") or "ClusterIP"


def _checks_health(spec: Json) -> bool:
    return _type(spec) == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _node_ports(spec: Json) -> list[int]:
    return sorted(port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort"))


def _keep_node_ports(ports: list[Json], before: list[Json]) -> None:
    """A port keeps its node port by its name, unless another port has taken that."""
    allocated = {port.get("name", ""): port["nodePort"] for port in before if port.get("nodePort")}
    used = {port["nodePort"] for port in ports if port.get("nodePort")}
    for port in ports:
        former = allocated.get(port.get("name", ""))
        if not port.get("nodePort") and former is not None and former not in used:
            port["nodePort"] = former
            used.add(former)
