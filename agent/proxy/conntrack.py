"""Forgetting UDP flows to endpoints that are gone. UDP has no end of connection: without this, a client that keeps its port
would be sent to a dead pod for as long as it keeps sending. TCP flows are left alone: they end by themselves, and those to
draining endpoints must go on.

Only for the nftables mode; needs CAP_NET_ADMIN. pyroute2 stays in here.
"""

import asyncio
import logging
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket

from agent.proxy.model import Endpoint, ServicePort

_log = logging.getLogger(__name__)

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Frontends:
    """Where Services are reached and by whom they are answered: for judging one flow. Pure."""

    by_address: dict[Address, frozenset[Address]]
    by_node_port: dict[int, frozenset[Address]]

    def is_stale(self, asked: Address, answering: Address) -> bool:
        """Whether a flow to `asked` that was sent on to `answering` must be forgotten."""
        allowed = self.by_address.get(asked)
        if allowed is None:
            # A node port answers on any address of the node, but only translated flows are ours.
            allowed = self.by_node_port.get(asked[1]) if asked != answering else None
        return allowed is not None and answering not in allowed


def frontends(ports: Iterable[ServicePort], gone: Iterable[ServicePort]) -> Frontends:
    """The UDP ones of these ports; `gone` ones may be answered by nobody."""
    by_address: dict[Address, frozenset[Address]] = {}
    by_node_port: dict[int, frozenset[Address]] = {}
    for there, group in ((False, gone), (True, ports)):
        for port in group:
            if port.name.protocol != "UDP":
                continue
            both = _addresses(port.cluster_endpoints) | _addresses(port.local_endpoints) if there else frozenset()
            for address in (port.cluster_ip, *port.external_ips):
                by_address[address, port.name.port] = both
            if port.node_port:
                by_node_port[port.node_port] = both
    return Frontends(by_address, by_node_port)


def _addresses(endpoints: Iterable[Endpoint]) -> frozenset[Address]:
    return frozenset((endpoint.address, endpoint.port) for endpoint in endpoints)


async def clear_stale_udp(ports: Iterable[ServicePort], *, gone_ports: Iterable[ServicePort]) -> None:
    """Forget the UDP flows of these ports that lead to none of their endpoints. Failing is logged, not raised."""
    known = frontends(ports, gone_ports)
    if not known.by_address:
        return
    try:
        count = await asyncio.to_thread(_clear, known)
    except (NetlinkError, OSError) as error:
        _log.warning("stale UDP flows could not be cleared: %s", error)
        return
    if count:
        _log.info("cleared %d UDP flows to endpoints that are gone", count)


def _clear(known: Frontends) -> int:
    count = 0
    udp = NFCTAttrTuple(proto=socket.IPPROTO_UDP)
    with NFCTSocket() as conntrack:
        for flow in list(conntrack.dump(tuple_orig=udp)):
            asked = _tuple_of(flow, "CTA_TUPLE_ORIG")
            answering = _tuple_of(flow, "CTA_TUPLE_REPLY")
            if asked is None or answering is None:
                continue
            if not known.is_stale((asked.daddr, asked.dport), (answering.saddr, answering.sport)):
                continue
            try:
                conntrack.entry("del", tuple_orig=asked)
                count += 1
            except NetlinkError:
                continue  # it ended by itself meanwhile
    return count


def _tuple_of(flow: NFCTAttrTuple, name: str) -> NFCTAttrTuple | None:
    attribute = flow.get_attr(name)
    if attribute is None or attribute.get_attr("CTA_TUPLE_IP").get_attr("CTA_IP_V4_SRC") is None:
        return None
    found = NFCTAttrTuple.from_netlink(socket.AF_INET, attribute)
    return found if found.proto == socket.IPPROTO_UDP else None
