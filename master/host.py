"""What this host's kernel says of its addresses and routes, for certificates and for the overlap check at start.

Called by `master.cli` and `master.app` at start; the only place of the master that speaks netlink. Reads, never changes.
"""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

#: Kernel routes that belong to nobody's network: the local table repeats addresses, multicast is always there.
_LOCAL_TABLE = 255
_UNICAST = 1


@dataclass(frozen=True, slots=True)
class HostNetwork:
    """A network that the host can already reach, and by which interface. `routed`: through a gateway."""

    network: Network
    interface: str
    routed: bool = False


def host_names() -> list[str]:
    """The host's short and full name, without asking DNS."""
    name = socket.gethostname()
    return sorted({name, name.partition(".")[0]})


def host_addresses() -> list[Address]:
    """All addresses of this host except link-local ones, loopback included."""
    return sorted(
        (address for _, address, _ in _addresses() if not address.is_link_local),
        key=lambda address: (address.version, int(address)),
    )


def default_address() -> Address:
    """The address by which other hosts most likely reach this one: the source address of the default route.

    Falls back to any address that is not loopback, then to loopback, where there is no default route.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # documentation range; a datagram socket sends nothing on connect
            return ipaddress.ip_address(probe.getsockname()[0])
        except OSError:
            pass
    outward = [address for address in host_addresses() if not address.is_loopback]
    return outward[0] if outward else ipaddress.ip_address("127.0.0.1")


def host_networks() -> list[HostNetwork]:
    """Networks that the host has an address in or a route to, except default routes, loopback and link-local ones."""
    found = {
        HostNetwork(ipaddress.ip_network(f"{address}/{length}", strict=False), interface)
        for interface, address, length in _addresses()
    }
    with IPRoute() as netlink:
        names = {link["index"]: str(link.get_attr("IFLA_IFNAME")) for link in netlink.get_links()}
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                routes = list(netlink.get_routes(family=family))
            except NetlinkError:
                continue  # a kernel without this family
            for route in routes:
                destination = route.get_attr("RTA_DST")
                if destination is None or route["type"] != _UNICAST or route["table"] == _LOCAL_TABLE:
                    continue
                network = ipaddress.ip_network(f"{destination}/{route['dst_len']}", strict=False)
                routed = route.get_attr("RTA_GATEWAY") is not None
                found.add(HostNetwork(network, names.get(route.get_attr("RTA_OIF"), ""), routed))
    return sorted(
        (one for one in found if not (one.network.is_loopback or one.network.is_link_local or one.network.is_multicast)),
        key=lambda one: (one.network.version, one.network, one.interface),
    )


def _addresses() -> Sequence[tuple[str, Address, int]]:
    with IPRoute() as netlink:
        names = {link["index"]: str(link.get_attr("IFLA_IFNAME")) for link in netlink.get_links()}
        return [
            (
                names.get(item["index"], ""),
                ipaddress.ip_address(item.get_attr("IFA_LOCAL") or item.get_attr("IFA_ADDRESS")),
                item["prefixlen"],
            )
            for item in netlink.get_addr()
            if item.get_attr("IFA_LOCAL") or item.get_attr("IFA_ADDRESS")
        ]
