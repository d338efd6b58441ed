"""What this host's kernel says of its addresses and routes, for certificates and for the overlap check at start.

Called by `master.cli` and `master.app` at start. Reads, never changes: `host_netlink` does, in a process of its own.
"""

import ipaddress
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import msgspec

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

#: -P: what lies beside the program is not what its imports mean.
_NETLINK = (sys.executable, "-P", str(Path(__file__).with_name("host_netlink.py")))
_NETLINK_SECONDS = 30.0


class HostUnreadable(Exception):
    """The kernel's addresses and routes cannot be read; says why."""


class _Kernel(msgspec.Struct, frozen=True):
    addresses: list[tuple[str, str, int]]
    routes: list[tuple[str, str, bool]]


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
        (address for address in _addresses() if not address.is_link_local),
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
    kernel = _kernel()
    found = {
        HostNetwork(ipaddress.ip_network(f"{address}/{length}", strict=False), interface)
        for interface, address, length in kernel.addresses
    }
    found.update(
        HostNetwork(ipaddress.ip_network(network, strict=False), interface, routed)
        for interface, network, routed in kernel.routes
    )
    return sorted(
        (one for one in found if not (one.network.is_loopback or one.network.is_link_local or one.network.is_multicast)),
        key=lambda one: (one.network.version, one.network, one.interface),
    )


def _addresses() -> Iterator[Address]:
    return (ipaddress.ip_address(address) for _, address, _ in _kernel().addresses)


def _kernel() -> _Kernel:
    """Raises HostUnreadable."""
    try:
        done = subprocess.run(_NETLINK, capture_output=True, check=True, timeout=_NETLINK_SECONDS, stdin=subprocess.DEVNULL)
        return msgspec.json.decode(done.stdout, type=_Kernel)
    except subprocess.CalledProcessError as error:
        raise HostUnreadable(f"cannot read the host's addresses: {error.stderr.decode(errors='replace')[-500:]}") from error
    except (OSError, subprocess.TimeoutExpired, msgspec.DecodeError) as error:
        raise HostUnreadable(f"cannot read the host's addresses: {error}") from error
