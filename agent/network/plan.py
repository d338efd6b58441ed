"""What the node's network has to be, computed from the orders: pure. Applied by `pod_network`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from lightkube.models.core_v1 import Node

from proto.messages import NodeOrder


class NetworkProblem(Exception):
    """Why pods cannot be put on the network, in a few words for a condition or an event."""


@dataclass(frozen=True, slots=True)
class HostNetwork:
    """A network that the host already has. `connected`: one of its interfaces has an address in it; else a gateway's."""

    network: IPv4Network
    interface: str
    connected: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The addresses of this node's pod network."""

    pod_cidr: IPv4Network
    gateway: IPv4Address
    cluster_cidr: IPv4Network
    service_cidr: IPv4Network


def plan_of(order: NodeOrder) -> Plan:
    """Raises NetworkProblem for an order that no network can be made from."""
    try:
        pod_cidr = IPv4Network(order.pod_cidr)
        cluster, services = IPv4Network(order.cluster_cidr), IPv4Network(order.service_cidr)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise NetworkProblem(f"the node's order has an invalid CIDR: {error}") from error
    if pod_cidr.prefixlen > 30:
        raise NetworkProblem(f"pod CIDR {pod_cidr} has no room for pods")
    if pod_cidr.overlaps(services):
        raise NetworkProblem(f"pod CIDR {pod_cidr} overlaps the service CIDR {services}")
    return Plan(pod_cidr, pod_cidr.network_address + 1, cluster, services)


def check_overlap(plan: Plan, host: Iterable[HostNetwork]) -> None:
    """Raises NetworkProblem when the host has a network of its own where pods or Services should be.

    A wide route to a gateway (10.0.0.0/8, say) is no conflict: the pod network's routes are narrower and win.
    """
    for name, wanted in (("pod", plan.pod_cidr), ("cluster", plan.cluster_cidr), ("service", plan.service_cidr)):
        for present in host:
            taken = present.network.overlaps(wanted) if present.connected else present.network.subnet_of(wanted)
            if taken:
                raise NetworkProblem(
                    f"{name} CIDR {wanted} overlaps {present.network} on {present.interface}, which this host already has"
                )


def peer_routes(plan: Plan, node_name: str, nodes: Mapping[str, Node]) -> dict[str, str]:
    """The other nodes' pod CIDRs and the addresses that they are reached by; nodes that have not both yet are left out."""
    routes: dict[str, str] = {}
    for name, node in sorted(nodes.items()):
        address = internal_ip(node)
        cidr = node.spec.podCIDR if node.spec else None
        if name == node_name or not address or not cidr:
            continue
        try:
            network = IPv4Network(cidr)
        except ValueError:
            continue
        # A node may not draw traffic that is not its pods'.
        if network.subnet_of(plan.cluster_cidr) and not network.overlaps(plan.pod_cidr):
            routes.setdefault(str(network), address)
    return routes


def internal_ip(node: Node) -> str:
    """The node's first IPv4 InternalIP, "" when it has none."""
    for address in (node.status.addresses if node.status else None) or []:
        if address.type == "InternalIP":
            try:
                return str(IPv4Address(address.address))
            except AddressValueError:
                continue
    return ""
