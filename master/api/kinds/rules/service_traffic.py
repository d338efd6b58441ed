"""How traffic from outside reaches a Service: load balancer fields, traffic policies, external addresses (ValidateService)."""

from typing import Any

from master.api.kinds.rules import names
from master.api.kinds.rules.endpoint_addresses import validate_endpoint_address
from master.api.kinds.rules.field_errors import forbidden, invalid, keyed, not_supported, required
from master.client.errors import Cause

Json = dict[str, Any]

EXTERNAL_TYPES = ("LoadBalancer", "NodePort")
TRAFFIC_POLICIES = ("Cluster", "Local")
_SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_BALANCED_ONLY = "may only be used when `type` is 'LoadBalancer'"
_IP_MODES = ("Proxy", "VIP")


def is_reachable_from_outside(spec: Json) -> bool:
    """By its type, or by external addresses of a ClusterIP Service."""
    kind = spec.get("type")
    return kind in EXTERNAL_TYPES or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


def validate_traffic(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = _validate_policies(spec)
    causes.extend(_validate_balancer(obj, spec))
    for index, address in enumerate(spec.get("externalIPs") or ()):
        causes.extend(validate_endpoint_address(address, f"spec.externalIPs[{index}]"))
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution != "PreferClose":
        causes.append(not_supported("spec.trafficDistribution", distribution, ["PreferClose"]))
    return causes


def validate_traffic_update(spec: Json, before: Json) -> list[Cause]:
    causes: list[Cause] = []
    if _checks_health(spec) and _checks_health(before) and before.get("healthCheckNodePort"):
        port = spec.get("healthCheckNodePort")
        if port and port != before["healthCheckNodePort"]:
            causes.append(forbidden("spec.healthCheckNodePort", "field is immutable"))
    balanced = spec.get("type") == before.get("type") == "LoadBalancer"
    if balanced and spec.get("loadBalancerClass") != before.get("loadBalancerClass"):
        causes.append(invalid("spec.loadBalancerClass", spec.get("loadBalancerClass"), "may not change once set"))
    return causes


def validate_balancer_status(obj: Json) -> list[Cause]:
    """Where a load balancer can be reached (ValidateLoadBalancerStatus)."""
    balancer, spec = (obj.get("status") or {}).get("loadBalancer") or {}, obj.get("spec") or {}
    ingresses, path = balancer.get("ingress") or (), "status.loadBalancer.ingress"
    if ingresses and spec.get("type") != "LoadBalancer":
        return [forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")]
    causes: list[Cause] = []
    for index, ingress in enumerate(ingresses):
        where, address, host = f"{path}[{index}]", ingress.get("ip") or "", ingress.get("hostname") or ""
        mode = ingress.get("ipMode")
        if address:
            causes.extend(invalid(f"{where}.ip", address, why) for why in names.ip_address(address))
            if mode is None:
                causes.append(required(f"{where}.ipMode", "must be specified when `ip` is set"))
        elif mode is not None:
            causes.append(forbidden(f"{where}.ipMode", "may not be specified when `ip` is not set"))
        if mode is not None and mode not in _IP_MODES:
            causes.append(not_supported(f"{where}.ipMode", mode, _IP_MODES))
        if host:
            causes.extend(invalid(f"{where}.hostname", host, why) for why in names.dns1123_subdomain(host))
            if not names.ip_address(host):
                causes.append(invalid(f"{where}.hostname", host, "must be a DNS name, not an IP address"))
    return causes


def _checks_health(spec: Json) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _validate_policies(spec: Json) -> list[Cause]:
    causes: list[Cause] = []
    external, internal = spec.get("externalTrafficPolicy") or "", spec.get("internalTrafficPolicy") or ""
    if not is_reachable_from_outside(spec):
        if external:
            message = "may only be set for externally-accessible services"
            causes.append(invalid("spec.externalTrafficPolicy", external, message))
    elif not external:
        causes.append(required("spec.externalTrafficPolicy"))
    elif external not in TRAFFIC_POLICIES:
        causes.append(not_supported("spec.externalTrafficPolicy", external, TRAFFIC_POLICIES))
    health = spec.get("healthCheckNodePort") or 0
    if health and not _checks_health(spec):
        message = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        causes.append(invalid("spec.healthCheckNodePort", health, message))
    elif health:
        causes.extend(invalid("spec.healthCheckNodePort", health, why) for why in names.port_number(health))
    if not internal:
        if spec.get("type") in ("ClusterIP", *EXTERNAL_TYPES):
            causes.append(required("spec.internalTrafficPolicy"))
    elif internal not in TRAFFIC_POLICIES:
        causes.append(not_supported("spec.internalTrafficPolicy", internal, TRAFFIC_POLICIES))
    return causes


def _validate_balancer(obj: Json, spec: Json) -> list[Cause]:
    balanced = spec.get("type") == "LoadBalancer"
    causes = _validate_source_ranges(obj, spec, balanced=balanced)
    allocates, name = spec.get("allocateLoadBalancerNodePorts"), spec.get("loadBalancerClass")
    if allocates is not None and not balanced:
        causes.append(forbidden("spec.allocateLoadBalancerNodePorts", _BALANCED_ONLY))
    if name is not None:
        if not balanced:
            causes.append(forbidden("spec.loadBalancerClass", _BALANCED_ONLY))
        else:
            causes.extend(invalid("spec.loadBalancerClass", name, why) for why in names.qualified_name(name))
    return causes


def _validate_source_ranges(obj: Json, spec: Json, *, balanced: bool) -> list[Cause]:
    causes: list[Cause] = []
    ranges, annotations = spec.get("loadBalancerSourceRanges") or (), obj["metadata"].get("annotations") or {}
    if ranges:
        path = "spec.LoadBalancerSourceRanges"
        if not balanced:
            causes.append(forbidden(path, _BALANCED_ONLY))
        for index, text in enumerate(ranges):
            causes.extend(invalid(f"{path}[{index}]", text, why) for why in names.cidr(text.strip()))
    elif _SOURCE_RANGES in annotations:
        path = keyed("metadata.annotations", _SOURCE_RANGES)
        if not balanced:
            causes.append(forbidden(path, _BALANCED_ONLY))
        for text in filter(None, annotations[_SOURCE_RANGES].strip().split(",")):
            causes.extend(invalid(path, text.strip(), why) for why in names.cidr(text.strip()))
    return causes
