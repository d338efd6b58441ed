"""The node's routes, links and sysctls. pyroute2 stays in here; everything runs on a thread.

Routes carry our protocol number, so that only ours are ever changed or removed.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path

from pyroute2.iproute import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from agent.network.plan import HostNetwork, NetworkProblem

_log = logging.getLogger(__name__)

#: rtm_protocol of the pod network's routes.
PROTOCOL = 117
_TABLE_MAIN = 254
_RT_SCOPE_LINK = 253
#: RT_SCOPE_NOWHERE: matches a route of any scope when removing.
_RT_SCOPE_ANY = 255
_DEFAULT_MTU = 1500
_SYSCTL = Path("/proc/sys/net")
_BRIDGE_NETFILTER = _SYSCTL / "bridge/bridge-nf-call-iptables"


async def host_networks(bridge: str) -> list[HostNetwork]:
    """The networks that the host has without us."""
    return await asyncio.to_thread(_host_networks, bridge)


async def uplink_mtu() -> int:
    """The MTU of the default route's interface: what pods can send to other nodes in one piece."""
    return await asyncio.to_thread(_uplink_mtu)


async def set_routes(bridge: str, *, via: Mapping[str, str], on_bridge: Mapping[str, str]) -> dict[str, str]:
    """Make our routes exactly these: `via` gateways, and `on_bridge` (network → source address).

    Returns the networks whose gateway is not on-link, with the reason. Raises NetworkProblem.
    """
    return await asyncio.to_thread(_set_routes, bridge, dict(via), dict(on_bridge))


async def remove_routes() -> None:
    """Remove every route of ours. Raises NetworkProblem."""
    await asyncio.to_thread(_set_routes, "", {}, {})


async def set_hairpin(bridge: str) -> None:
    """Let each pod reach itself through a Service: the bridge may send a packet back to the port that it came from."""
    await asyncio.to_thread(_set_hairpin, bridge)


async def enable_forwarding() -> bool:
    """Turn on IP forwarding; whether bridged packets pass netfilter (br_netfilter). Raises NetworkProblem."""
    return await asyncio.to_thread(_enable_forwarding)


def _host_networks(bridge: str) -> list[HostNetwork]:
    found = []
    with IPRoute() as ip:
        names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in ip.get_links()}
        for route in ip.get_routes(family=socket.AF_INET, table=_TABLE_MAIN):
            name = names.get(route.get_attr("RTA_OIF"), "no interface")
            destination = route.get_attr("RTA_DST")
            if destination is None or name == bridge or route["proto"] == PROTOCOL:
                continue
            network = IPv4Network(f"{destination}/{route['dst_len']}")
            found.append(HostNetwork(network, name, connected=route.get_attr("RTA_GATEWAY") is None))
        for address in ip.get_addr(family=socket.AF_INET):
            name = names.get(address["index"], "no interface")
            # IFA_LOCAL differs from IFA_ADDRESS on point-to-point links; the host has both.
            for own in {address.get_attr("IFA_LOCAL"), address.get_attr("IFA_ADDRESS")} - {None}:
                if name != bridge:
                    network = IPv4Network(f"{own}/{address['prefixlen']}", strict=False)
                    found.append(HostNetwork(network, name, connected=True))
    return found


def _uplink_mtu() -> int:
    with IPRoute() as ip:
        for route in ip.get_routes(family=socket.AF_INET, table=_TABLE_MAIN):
            index = route.get_attr("RTA_OIF")
            if route.get_attr("RTA_DST") is None and index is not None:
                (link,) = ip.get_links(index)
                return int(link.get_attr("IFLA_MTU"))
    return _DEFAULT_MTU


def _set_routes(bridge: str, via: dict[str, str], on_bridge: dict[str, str]) -> dict[str, str]:
    unreachable = {}
    try:
        with IPRoute() as ip:
            present = {}
            for route in list(ip.get_routes(family=socket.AF_INET, table=_TABLE_MAIN, proto=PROTOCOL)):
                destination = f"{route.get_attr('RTA_DST')}/{route['dst_len']}"
                present[destination] = route.get_attr("RTA_GATEWAY") or route.get_attr("RTA_PREFSRC")
            for destination in present.keys() - via.keys() - on_bridge.keys():
                _remove(ip, destination)
            for destination, gateway in via.items():
                if present.get(destination) == gateway:
                    continue
                try:
                    ip.route("replace", dst=destination, gateway=gateway, proto=PROTOCOL, table=_TABLE_MAIN)
                except NetlinkError as error:
                    if error.code not in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL):
                        raise
                    unreachable[destination] = f"{gateway} is not on a network of this host"
                    if destination in present:
                        _remove(ip, destination)
            for destination, source in on_bridge.items():
                if present.get(destination) != source:
                    (index,) = ip.link_lookup(ifname=bridge)
                    ip.route(
                        "replace", dst=destination, oif=index, prefsrc=source, scope=_RT_SCOPE_LINK, proto=PROTOCOL,
                        table=_TABLE_MAIN,
                    )  # fmt: skip
    except NetlinkError as error:
        raise NetworkProblem(f"routes to the other nodes: {error}") from error
    return unreachable


def _remove(ip: IPRoute, destination: str) -> None:
    try:
        ip.route("del", dst=destination, proto=PROTOCOL, table=_TABLE_MAIN, scope=_RT_SCOPE_ANY)
    except NetlinkError as error:
        if error.code != errno.ESRCH:  # it went with its link
            raise


def _set_hairpin(bridge: str) -> None:
    try:
        with IPRoute() as ip:
            for index in ip.link_lookup(ifname=bridge):
                for link in list(ip.get_links(master=index)):
                    info = link.get_attr("IFLA_LINKINFO")
                    data = info.get_attr("IFLA_INFO_SLAVE_DATA") if info is not None else None
                    if data is not None and not data.get_attr("IFLA_BRPORT_MODE"):
                        ip.brport("set", index=link["index"], mode=1)
    except NetlinkError as error:
        # The port may be gone already; the next link event or reconcile looks again.
        _log.debug("hairpin of a port of %s: %s", bridge, error)


def _enable_forwarding() -> bool:
    try:
        for file in (_SYSCTL / "ipv4/ip_forward", _BRIDGE_NETFILTER):
            if file.exists() and file.read_text().strip() != "1":
                file.write_text("1")
    except OSError as error:
        raise NetworkProblem(f"IP forwarding cannot be turned on: {error}") from error
    return _BRIDGE_NETFILTER.exists()
