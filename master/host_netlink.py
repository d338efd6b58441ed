"""What the kernel says of addresses and routes, read by netlink: a program of its own, run by `master.host`.

The netlink library takes 12 MB, and the master asks twice at its start and never again. Standard output is one JSON object:
`addresses` as [interface, address, prefix length], `routes` as [interface, network, through a gateway].
"""

import json
import socket
import sys
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

#: Kernel routes that belong to nobody's network: the local table repeats addresses, multicast is always there.
_LOCAL_TABLE = 255
_UNICAST = 1


def read() -> dict[str, list[Any]]:
    """Addresses and routes of this host."""
    with IPRoute() as netlink:
        names = {link["index"]: str(link.get_attr("IFLA_IFNAME")) for link in netlink.get_links()}
        addresses = [
            [names.get(item["index"], ""), item.get_attr("IFA_LOCAL") or item.get_attr("IFA_ADDRESS"), item["prefixlen"]]
            for item in netlink.get_addr()
            if item.get_attr("IFA_LOCAL") or item.get_attr("IFA_ADDRESS")
        ]
        routes = []
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                found = list(netlink.get_routes(family=family))
            except NetlinkError:
                continue  # a kernel without this family
            for route in found:
                destination = route.get_attr("RTA_DST")
                if destination is None or route["type"] != _UNICAST or route["table"] == _LOCAL_TABLE:
                    continue
                through = route.get_attr("RTA_GATEWAY") is not None
                routes.append([names.get(route.get_attr("RTA_OIF"), ""), f"{destination}/{route['dst_len']}", through])
    return {"addresses": addresses, "routes": routes}


if __name__ == "__main__":
    json.dump(read(), sys.stdout)
