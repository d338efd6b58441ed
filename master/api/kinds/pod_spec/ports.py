"""Validation of a container's ports (validateContainerPorts)."""

from collections.abc import Sequence
from typing import Any

from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import duplicate, invalid, not_supported, required
from master.client.errors import Cause

Json = dict[str, Any]

PROTOCOLS = ("SCTP", "TCP", "UDP")


def validate_container_ports(ports: Sequence[Json], path: str, *, host_network: bool) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, port in enumerate(ports):
        where = f"{path}[{index}]"
        if name := port.get("name"):
            wrong = names.port_name(name)
            causes.extend(invalid(f"{where}.name", name, why) for why in wrong)
            if name in seen:
                causes.append(duplicate(f"{where}.name", name))
            seen.add(name)
        number, host_port = port.get("containerPort") or 0, port.get("hostPort") or 0
        if not number:
            causes.append(required(f"{where}.containerPort"))
        else:
            causes.extend(invalid(f"{where}.containerPort", number, why) for why in names.port_number(number))
        if host_port:
            causes.extend(invalid(f"{where}.hostPort", host_port, why) for why in names.port_number(host_port))
        if host_network and number and host_port != number:
            causes.append(invalid(f"{where}.containerPort", number, "must match `hostPort` when `hostNetwork` is true"))
        protocol = port.get("protocol") or ""
        if not protocol:
            causes.append(required(f"{where}.protocol"))
        elif protocol not in PROTOCOLS:
            causes.append(not_supported(f"{where}.protocol", protocol, PROTOCOLS))
        if host_ip := port.get("hostIP"):
            causes.extend(invalid(f"{where}.hostIP", host_ip, why) for why in names.ip_address(host_ip))
    return causes


def validate_port_reference(port: Any, path: str) -> list[Cause]:
    """A port by number or by name."""
    if isinstance(port, str):
        return [invalid(path, port, why) for why in names.port_name(port)]
    return [invalid(path, port or 0, why) for why in names.port_number(port or 0)]
