"""Service: a stable address in front of the pods that its selector finds.

Cluster IPs, families and node ports are allocated by the registry after validation; here is checked what the client asks.
"""

from typing import Any

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import duplicate, forbidden, invalid, not_supported, required
from master.api.kinds.rules.lifecycle import keep_status, only_status
from master.api.kinds.rules.metadata import validate_labels, validate_metadata
from master.api.kinds.rules.service_traffic import (
    EXTERNAL_TYPES,
    is_reachable_from_outside,
    validate_balancer_status,
    validate_traffic,
    validate_traffic_update,
)
from master.api.kinds.rules.service_updates import drop_type_fields, keep_allocated
from master.api.printers import service as printer
from master.client.errors import Cause

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
PROTOCOLS = ("SCTP", "TCP", "UDP")
AFFINITIES = ("ClientIP", "None")
FAMILIES = ("IPv4", "IPv6")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
#: How long ClientIP affinity lasts, in seconds.
AFFINITY_SECONDS = 10800
_AFFINITY_LIMIT = 86400


def _default(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("sessionAffinity"):
        spec["sessionAffinity"] = "None"
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        client = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        client.setdefault("timeoutSeconds", AFFINITY_SECONDS)
    if not spec.get("type"):
        spec["type"] = "ClusterIP"
    for port in spec.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
        if port.get("targetPort") in (None, 0, "") and port.get("port"):
            port["targetPort"] = port["port"]
    if is_reachable_from_outside(spec) and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if spec["type"] != "ExternalName" and not spec.get("internalTrafficPolicy"):
        spec["internalTrafficPolicy"] = "Cluster"
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        for ingress in ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
            if ingress.get("ip"):
                ingress.setdefault("ipMode", "VIP")


def _prepare_for_create(obj: Json) -> None:
    obj["status"] = {"loadBalancer": {}}


def _prepare_for_update(obj: Json, old: Json) -> None:
    keep_status(obj, old)
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    drop_type_fields(spec, before)
    keep_allocated(spec, before)


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1035_label)
    spec = obj.get("spec") or {}
    kind, cluster_ip = spec.get("type"), spec.get("clusterIP")
    if not spec.get("ports") and kind != "ExternalName" and cluster_ip != "None":
        causes.append(required("spec.ports"))
    match kind:
        case "LoadBalancer" | "NodePort":
            if cluster_ip == "None":
                causes.append(invalid("spec.clusterIPs[0]", cluster_ip, f"may not be set to 'None' for {kind} services"))
        case "ExternalName":
            causes.extend(_validate_external_name(spec))
        case "ClusterIP":
            pass
        case _:
            causes.append(not_supported("spec.type", kind, TYPES))
    causes.extend(_validate_ports(spec, kind))
    causes.extend(validate_labels(spec.get("selector"), "spec.selector"))
    causes.extend(_validate_affinity(spec))
    causes.extend(_validate_addresses(spec))
    causes.extend(validate_traffic(obj))
    if old is not None:
        causes.extend(_validate_update(spec, old.get("spec") or {}))
        causes.extend(validate_traffic_update(spec, old.get("spec") or {}))
    return causes


def _validate_external_name(spec: Json) -> list[Cause]:
    causes: list[Cause] = []
    only_inside = "may not be set for ExternalName services"
    if spec.get("clusterIP"):
        causes.append(forbidden("spec.clusterIPs", only_inside))
    causes.extend(forbidden(f"spec.{field}", only_inside) for field in ("ipFamilies", "ipFamilyPolicy") if spec.get(field))
    name = (spec.get("externalName") or "").removesuffix(".")
    if not name:
        causes.append(required("spec.externalName"))
    else:
        causes.extend(invalid("spec.externalName", name, why) for why in names.dns1123_subdomain(name))
    return causes


def _validate_ports(spec: Json, kind: Any) -> list[Cause]:
    causes: list[Cause] = []
    ports: list[Json] = spec.get("ports") or []
    seen_names: set[str] = set()
    seen: set[tuple[Any, Any]] = set()
    seen_node_ports: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        path = f"spec.ports[{index}]"
        name, number, protocol = port.get("name") or "", port.get("port") or 0, port.get("protocol") or ""
        if not name:
            if len(ports) > 1:
                causes.append(required(f"{path}.name"))
        else:
            causes.extend(invalid(f"{path}.name", name, why) for why in names.dns1123_label(name))
            if name in seen_names:
                causes.append(duplicate(f"{path}.name", name))
            seen_names.add(name)
        causes.extend(invalid(f"{path}.port", number, why) for why in names.port_number(number))
        if not protocol:
            causes.append(required(f"{path}.protocol"))
        elif protocol not in PROTOCOLS:
            causes.append(not_supported(f"{path}.protocol", protocol, PROTOCOLS))
        causes.extend(_validate_target_port(port.get("targetPort"), f"{path}.targetPort"))
        if port.get("appProtocol"):
            causes.extend(
                invalid(f"{path}.appProtocol", port["appProtocol"], why) for why in names.qualified_name(port["appProtocol"])
            )
        if (number, protocol) in seen:
            causes.append(duplicate(path, {"protocol": protocol, "port": number}))
        seen.add((number, protocol))
        if node_port := port.get("nodePort"):
            if kind not in EXTERNAL_TYPES:
                causes.append(forbidden(f"{path}.nodePort", f"may not be used when `type` is '{kind}'"))
            if (node_port, protocol) in seen_node_ports:
                causes.append(duplicate(f"{path}.nodePort", node_port))
            seen_node_ports.add((node_port, protocol))
    return causes


def _validate_target_port(target: Any, path: str) -> list[Cause]:
    if isinstance(target, str):
        return [invalid(path, target, why) for why in names.port_name(target)]
    return [invalid(path, target or 0, why) for why in names.port_number(target or 0)]


def _validate_affinity(spec: Json) -> list[Cause]:
    affinity, config = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")
    if affinity not in AFFINITIES:
        return [not_supported("spec.sessionAffinity", affinity, AFFINITIES)]
    if affinity == "ClientIP":
        seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds") or 0
        if not 0 < seconds <= _AFFINITY_LIMIT:
            path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
            return [invalid(path, seconds, f"must be greater than 0 and less than {_AFFINITY_LIMIT}")]
    return []


def _validate_addresses(spec: Json) -> list[Cause]:
    causes: list[Cause] = []
    cluster_ip, cluster_ips = spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    if cluster_ips and cluster_ips[0] != cluster_ip:
        causes.append(invalid("spec.clusterIPs", cluster_ips, "first value must match `clusterIP`"))
    for index, address in enumerate(cluster_ips or ([cluster_ip] if cluster_ip else [])):
        if address == "None" and index == 0:
            continue
        causes.extend(invalid(f"spec.clusterIPs[{index}]", address, why) for why in names.ip_address(address))
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in FAMILIES:
            causes.append(not_supported(f"spec.ipFamilies[{index}]", family, FAMILIES))
    policy = spec.get("ipFamilyPolicy")
    if policy and policy not in FAMILY_POLICIES:
        causes.append(invalid("spec.ipFamilyPolicy", policy, f"must be one of {', '.join(FAMILY_POLICIES)}"))
    return causes


def _validate_update(spec: Json, before: Json) -> list[Cause]:
    """A cluster IP stays for as long as the Service has one: it may only go with a change to ExternalName."""
    if spec.get("type") == "ExternalName" or before.get("type") == "ExternalName" or not before.get("clusterIP"):
        return []
    if (spec.get("clusterIP") or "") == before["clusterIP"]:
        return []
    after = [spec["clusterIP"]] if spec.get("clusterIP") else []
    return [invalid("spec.clusterIPs[0]", spec.get("clusterIPs") or after, "may not change once set")]


def _validate_status(obj: Json, old: Json | None) -> list[Cause]:
    return validate_balancer_status(obj)


KIND = Kind(
    group="",
    version="v1",
    kind="Service",
    plural="services",
    singular="service",
    short_names=("svc",),
    categories=("all",),
    definition="io.k8s.api.core.v1.Service",
    subresources=frozenset({"status", "proxy"}),
    default=_default,
    validate=_validate,
    validate_status=_validate_status,
    prepare_for_create=_prepare_for_create,
    prepare_for_update=_prepare_for_update,
    prepare_for_status_update=only_status,
    columns=printer.COLUMNS,
    row=printer.row,
    field_selectors={
        "spec.clusterIP": lambda obj: (obj.get("spec") or {}).get("clusterIP", ""),
        "spec.type": lambda obj: (obj.get("spec") or {}).get("type", ""),
    },
)
