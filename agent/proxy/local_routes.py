"""Making the node answer for addresses that no interface has: local routes (AnyIP), for the userspace mode.

`ip route add local 10.96.0.0/16 dev lo`: then a plain bind to any cluster IP works, and packets of pods to it are ours. Needs
CAP_NET_ADMIN once. Routes carry our protocol number, so that only ours are ever removed. pyroute2 stays in here.
"""

import asyncio
import socket
from collections.abc import Collection
from ipaddress import IPv4Network, ip_address, ip_network

from pyroute2.iproute import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

#: rtm_protocol of the proxy's routes (/etc/iproute2/rt_protos leaves the numbers from 97 to 185 to whoever comes).
PROTOCOL = 118
_TABLE_LOCAL = 255
_RTN_LOCAL = 2


async def ensure_local(networks: Collection[str]) -> None:
    """Answer for exactly these networks. Raises OSError without the privilege."""
    await asyncio.to_thread(_ensure_local, frozenset(networks))


async def own_addresses() -> list[str]:
    """The IPv4 addresses of this node's interfaces, 127.0.0.1 too."""
    return await asyncio.to_thread(_own_addresses)


def matching(addresses: Collection[str], cidrs: Collection[str]) -> list[str]:
    """Those addresses that lie in one of the CIDRs."""
    networks = [ip_network(cidr, strict=False) for cidr in cidrs]
    return sorted(address for address in addresses if any(ip_address(address) in network for network in networks))


def _ensure_local(networks: frozenset[str]) -> None:
    try:
        with IPRoute() as ip:
            loopback = ip.link_lookup(ifname="lo")[0]
            present = set()
            for route in list(ip.get_routes(family=socket.AF_INET, table=_TABLE_LOCAL, proto=PROTOCOL)):
                destination = f"{route.get_attr('RTA_DST')}/{route['dst_len']}"
                if destination in networks:
                    present.add(destination)
                else:
                    ip.route("del", **_route(destination, loopback))
            for network in networks - present:
                ip.route("replace", **_route(network, loopback))
    except NetlinkError as error:
        raise OSError(error.code, f"local routes for {', '.join(sorted(networks)) or 'nothing'}: {error}") from error


def _route(destination: str, oif: int) -> dict[str, object]:
    return {
        "dst": str(IPv4Network(destination)),
        "oif": oif,
        "table": _TABLE_LOCAL,
        "type": _RTN_LOCAL,
        "scope": 254,
        "proto": PROTOCOL,
    }


def _own_addresses() -> list[str]:
    with IPRoute() as ip:
        return sorted({message.get_attr("IFA_LOCAL") for message in ip.get_addr(family=socket.AF_INET)} - {None})
