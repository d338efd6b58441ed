"""NetworkPolicy: which connections pods may have. Checked and stored here; nodes enforce it."""

import ipaddress
from typing import Any

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import forbidden, invalid, not_supported, required
from master.api.kinds.rules.metadata import validate_label_selector, validate_metadata
from master.api.printers import network_policy as printer
from master.client.errors import Cause

PROTOCOLS = ("TCP", "UDP", "SCTP")
POLICY_TYPES = ("Ingress", "Egress")


def _default(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            if port.get("protocol") is None:
                port["protocol"] = "TCP"
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _prepare_for_create(obj: Json) -> None:
    obj["metadata"]["generation"] = 1


def _prepare_for_update(obj: Json, old: Json) -> None:
    _default(obj)
    changed = (obj.get("spec") or {}) != (old.get("spec") or {})
    obj["metadata"]["generation"] = old["metadata"].get("generation", 1) + changed


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    spec = obj.get("spec") or {}
    causes.extend(validate_label_selector(spec.get("podSelector"), "spec.podSelector"))
    for field, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(field) or ()):
            path = f"spec.{field}[{index}]"
            for place, port in enumerate(rule.get("ports") or ()):
                causes.extend(_validate_port(port, f"{path}.ports[{place}]"))
            for place, peer in enumerate(rule.get(peers) or ()):
                causes.extend(_validate_peer(peer, f"{path}.{peers}[{place}]"))
    types = spec.get("policyTypes") or []
    if len(types) > len(POLICY_TYPES):
        return [*causes, invalid("spec.policyTypes", types, "may not specify more than two policyTypes")]
    for index, kind in enumerate(types):
        if kind not in POLICY_TYPES:
            causes.append(not_supported(f"spec.policyTypes[{index}]", kind, POLICY_TYPES, in_order=True))
    return causes


def _validate_port(item: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    protocol, port, end = item.get("protocol"), item.get("port"), item.get("endPort")
    if protocol is not None and protocol not in PROTOCOLS:
        causes.append(not_supported(f"{path}.protocol", protocol, PROTOCOLS, in_order=True))
    if isinstance(port, int):
        causes.extend(invalid(f"{path}.port", port, why) for why in names.port_number(port))
        if end is not None:
            if end < port:
                causes.append(invalid(f"{path}.endPort", end, "must be greater than or equal to `port`"))
            causes.extend(invalid(f"{path}.endPort", end, why) for why in names.port_number(end))
        return causes
    if end is not None:
        why = "may not be specified when `port` is " + ("not specified" if port is None else "non-numeric")
        causes.append(invalid(f"{path}.endPort", end, why))
    if port is not None:
        causes.extend(invalid(f"{path}.port", port, why) for why in names.port_name(port))
    return causes


def _validate_peer(peer: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    selectors = [field for field in ("podSelector", "namespaceSelector") if peer.get(field) is not None]
    for field in selectors:
        causes.extend(validate_label_selector(peer[field], f"{path}.{field}"))
    block = peer.get("ipBlock")
    if block is not None:
        causes.extend(_validate_block(block, f"{path}.ipBlock"))
        if selectors:
            causes.append(forbidden(path, "may not specify both ipBlock and another peer"))
    elif not selectors:
        causes.append(required(path, "must specify a peer"))
    return causes


def _validate_block(block: Json, path: str) -> list[Cause]:
    cidr = block.get("cidr") or ""
    if not cidr:
        return [required(f"{path}.cidr")]
    if wrong := names.cidr(cidr):
        return [invalid(f"{path}.cidr", cidr, why) for why in wrong]
    causes: list[Cause] = []
    network: Any = ipaddress.ip_network(cidr, strict=False)
    for index, excepted in enumerate(block.get("except") or ()):
        where = f"{path}.except[{index}]"
        if wrong := names.cidr(excepted):
            causes.extend(invalid(where, excepted, why) for why in wrong)
            continue
        inner: Any = ipaddress.ip_network(excepted, strict=False)
        if inner.version != network.version or inner == network or not inner.subnet_of(network):
            causes.append(invalid(where, excepted, "must be a strict subset of `cidr`"))
    return causes


KIND = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="NetworkPolicy",
    plural="networkpolicies",
    singular="networkpolicy",
    definition="io.k8s.api.networking.v1.NetworkPolicy",
    short_names=("netpol",),
    default=_default,
    validate=_validate,
    prepare_for_create=_prepare_for_create,
    prepare_for_update=_prepare_for_update,
    columns=printer.COLUMNS,
    row=printer.row,
)
