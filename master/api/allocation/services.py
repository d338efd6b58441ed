"""Cluster IPs and node ports of Services, with the fields that hang on them (clusterIPs, ipFamilies, ipFamilyPolicy).

Called by `master.api.registry` around each write of a Service. In memory, rebuilt from the store at start: one master writes.
What a write took is kept until the store has answered, so two Services never get the same value. Rules and messages are those
of Kubernetes' `pkg/registry/core/service`. IPv4 only (ADR: single stack).
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field

from master.api.allocation.ranges import OwnedRange, RangeFull
from master.client.errors import Cause, StatusError, invalid
from master.client.protocol import Json


@dataclass(slots=True)
class _Taken:
    """What one write changes: freed on rollback, respectively on commit."""

    owner: str
    addresses: "OwnedRange"
    ports: "OwnedRange"
    new_addresses: list[int] = field(default_factory=list)
    new_ports: list[int] = field(default_factory=list)
    old_addresses: list[int] = field(default_factory=list)
    old_ports: list[int] = field(default_factory=list)

    def commit(self) -> None:
        self._free(self.old_addresses, self.old_ports)

    def rollback(self) -> None:
        self._free(self.new_addresses, self.new_ports)

    def _free(self, addresses: list[int], ports: list[int]) -> None:
        for address in addresses:
            self.addresses.free(address, self.owner)
        for port in ports:
            self.ports.free(port, self.owner)


class ServiceAllocator:
    """The allocator of Services (`master.api.allocation.protocol.Allocator`)."""

    def __init__(self, service_cidr: str, node_port_first: int, node_port_last: int) -> None:
        self._network = ipaddress.IPv4Network(service_cidr)
        base = int(self._network.network_address)
        self._addresses = OwnedRange(base + 1, base + self._network.num_addresses - 2)
        self._ports = OwnedRange(node_port_first, node_port_last)
        self._held: dict[str, tuple[set[int], set[int]]] = {}

    def rebuild(self, objects: Iterable[tuple[str, Json]]) -> None:
        self._addresses.clear()
        self._ports.clear()
        self._held.clear()
        for key, obj in objects:
            addresses, ports = _addresses_of(obj), _ports_of(obj)
            self._held[key] = (addresses, ports)
            for address in addresses:
                self._addresses.hold(address, key)
            for port in ports:
                self._ports.hold(port, key)

    def reserve(self, key: str, obj: Json, old: Json | None) -> "ServiceReservation":
        spec = obj.setdefault("spec", {})
        if old is not None:
            _keep_allocated(spec, old.get("spec") or {})
        taken = _Taken(key, self._addresses, self._ports)
        name = obj.get("metadata", {}).get("name", "")
        try:
            self._reserve_address(key, name, spec, taken)
            self._reserve_ports(key, name, spec, taken)
        except StatusError:
            taken.rollback()
            raise
        held_addresses, held_ports = self._held.get(key, (set(), set()))
        addresses, ports = _addresses_of(obj), _ports_of(obj)
        taken.old_addresses = [address for address in held_addresses if address not in addresses]
        taken.old_ports = [port for port in held_ports if port not in ports]
        return ServiceReservation(taken, self._held, addresses, ports)

    def release(self, key: str) -> None:
        addresses, ports = self._held.pop(key, (set(), set()))
        for address in addresses:
            self._addresses.free(address, key)
        for port in ports:
            self._ports.free(port, key)

    def _reserve_address(self, key: str, name: str, spec: Json, taken: _Taken) -> None:
        if spec.get("type") == "ExternalName":
            for gone in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                spec.pop(gone, None)
            return
        asked = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or []), "")
        spec["ipFamilies"] = spec.get("ipFamilies") or ["IPv4"]
        spec["ipFamilyPolicy"] = spec.get("ipFamilyPolicy") or "SingleStack"
        if asked == "None":
            address = "None"
        elif asked:
            address = asked
            self._take_address(key, name, asked, taken)
        else:
            address = self._next_address(key, taken)
        spec["clusterIP"] = address
        spec["clusterIPs"] = [address]

    def _take_address(self, key: str, name: str, asked: str, taken: _Taken) -> None:
        def refuse(why: str) -> StatusError:
            text = f'Invalid value: []string{{"{asked}"}}: failed to allocate IP {asked}: {why}'
            return invalid("Service", "", name, [Cause("spec.clusterIPs", "FieldValueInvalid", text)])

        try:
            number = int(ipaddress.IPv4Address(asked))
        except ValueError:
            text = f'Invalid value: "{asked}": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
            raise invalid("Service", "", name, [Cause("spec.clusterIPs[0]", "FieldValueInvalid", text)]) from None
        if number not in self._addresses:
            raise refuse(f"the provided IP ({asked}) is not in the valid range. The range of valid IPs is {self._network}")
        owner = self._addresses.owner(number)
        if owner == key:
            return
        if owner is not None:
            raise refuse("provided IP is already allocated")
        self._addresses.hold(number, key)
        taken.new_addresses.append(number)

    def _next_address(self, key: str, taken: _Taken) -> str:
        try:
            number = self._addresses.next_free()
        except RangeFull:
            raise StatusError(500, "InternalError", "failed to allocate a serviceIP: range is full") from None
        self._addresses.hold(number, key)
        taken.new_addresses.append(number)
        return str(ipaddress.IPv4Address(number))

    def _reserve_ports(self, key: str, name: str, spec: Json, taken: _Taken) -> None:
        ports = spec.get("ports") or []
        if spec.get("type") not in ("NodePort", "LoadBalancer") or (
            spec.get("type") == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False
        ):
            for port in ports:
                if spec.get("type") != "LoadBalancer":
                    port.pop("nodePort", None)
            ports = [port for port in ports if port.get("nodePort")]
        # Explicit ones first: one that is picked must not take a number that a later port of this Service asks for.
        for index, port in enumerate(ports):
            if port.get("nodePort"):
                self._take_port(key, name, index, port["nodePort"], taken)
        by_port: dict[int, set[str]] = {}
        for port in ports:
            if not port.get("nodePort"):
                port["nodePort"] = self._next_port(key, taken, port, by_port, ports)

    def _take_port(self, key: str, name: str, index: int, number: int, taken: _Taken) -> None:
        def refuse(why: str) -> StatusError:
            text = f"Invalid value: {number}: {why}"
            return invalid("Service", "", name, [Cause(f"spec.ports[{index}].nodePort", "FieldValueInvalid", text)])

        if number not in self._ports:
            raise refuse(
                f"provided port is not in the valid range. The range of valid ports is {self._ports.first}-{self._ports.last}"
            )
        owner = self._ports.owner(number)
        if owner is not None and owner != key:
            raise refuse("provided port is already allocated")
        if owner is None:
            self._ports.hold(number, key)
            taken.new_ports.append(number)

    def _next_port(self, key: str, taken: _Taken, port: Json, by_port: dict[int, set[str]], ports: list[Json]) -> int:
        # The same port number over TCP and UDP shares one node port, as in Kubernetes.
        protocol = port.get("protocol", "TCP")
        for other in ports:
            shared = other.get("nodePort")
            if (
                shared
                and other.get("port") == port.get("port")
                and other.get("protocol", "TCP") != protocol
                and protocol not in by_port.get(shared, set())
            ):
                by_port.setdefault(shared, set()).add(protocol)
                return int(shared)
        try:
            number = self._ports.next_free()
        except RangeFull:
            raise StatusError(500, "InternalError", "failed to allocate a nodePort: range is full") from None
        self._ports.hold(number, key)
        taken.new_ports.append(number)
        by_port.setdefault(number, set()).add(protocol)
        return number


@dataclass(slots=True)
class ServiceReservation:
    """What one write of a Service took (`master.api.allocation.protocol.Reservation`)."""

    _taken: _Taken
    _held: dict[str, tuple[set[int], set[int]]]
    _addresses: set[int]
    _ports: set[int]

    def commit(self) -> None:
        self._held[self._taken.owner] = (self._addresses, self._ports)
        self._taken.commit()

    def rollback(self) -> None:
        self._taken.rollback()


def _addresses_of(obj: Json) -> set[int]:
    spec = obj.get("spec") or {}
    found = {spec.get("clusterIP"), *(spec.get("clusterIPs") or [])} - {None, "", "None"}
    numbers = set()
    for address in found:
        try:
            numbers.add(int(ipaddress.IPv4Address(address)))
        except ValueError:
            continue
    return numbers


def _ports_of(obj: Json) -> set[int]:
    return {port["nodePort"] for port in (obj.get("spec") or {}).get("ports") or [] if port.get("nodePort")}


def _keep_allocated(spec: Json, old: Json) -> None:
    """A PUT without the values that were allocated keeps them (Kubernetes' `patchAllocatedValues`)."""
    if spec.get("type") != "ExternalName" and old.get("type") != "ExternalName":
        if not spec.get("clusterIP") and not spec.get("clusterIPs"):
            spec["clusterIP"] = old.get("clusterIP", "")
        for kept in ("ipFamilies", "ipFamilyPolicy"):
            if not spec.get(kept) and old.get(kept):
                spec[kept] = old[kept]
    with_ports = ("NodePort", "LoadBalancer")
    if spec.get("type") not in with_ports or old.get("type") not in with_ports:
        return
    known = {(port.get("protocol", "TCP"), port.get("port")): port.get("nodePort") for port in old.get("ports") or []}
    asked = {port.get("nodePort") for port in spec.get("ports") or []}
    for port in spec.get("ports") or []:
        kept_port = known.get((port.get("protocol", "TCP"), port.get("port")))
        if not port.get("nodePort") and kept_port and kept_port not in asked:
            port["nodePort"] = kept_port
