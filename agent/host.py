"""What the agent must know of its host before anything is connected. Nothing here waits for the network."""

import ipaddress
import socket
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
#: Documentation addresses (RFC 5737, RFC 3849): never sent to, only routed in thought.
_ELSEWHERE = ("198.51.100.1", "2001:db8::1")


def boot_id() -> str:
    """The kernel's id of this boot; "" where there is none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def own_address(broker_host: str) -> str:
    """The address that this host has on its way to the broker, else on its default route, else loopback.

    Only the routing table is asked: a datagram socket that is connected sends nothing. A broker's name is not resolved, since
    a host may boot with no name server in reach.
    """
    for target in (broker_host, *_ELSEWHERE):
        source = _source_towards(target)
        if source and not ipaddress.ip_address(source).is_loopback:
            return source
    return "127.0.0.1"


def _source_towards(target: str) -> str:
    try:
        version = ipaddress.ip_address(target).version
    except ValueError:
        return ""
    with socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
        try:
            probe.connect((target, 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])
