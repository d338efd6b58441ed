"""Which addresses an Endpoints or an EndpointSlice may point at."""

import ipaddress

from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid
from master.client.errors import Cause


def validate_endpoint_address(address: str, path: str) -> list[Cause]:
    """An IP address of another host: not this host's, not a group's."""
    wrong = names.ip_address(address)
    if wrong:
        return [invalid(path, address, why) for why in wrong]
    ip = ipaddress.ip_address(address)
    if ip.is_unspecified:
        return [invalid(path, address, f"may not be unspecified ({address})")]
    if ip.is_loopback:
        return [invalid(path, address, "may not be in the loopback range (127.0.0.0/8, ::1/128)")]
    if ip.is_link_local:
        return [invalid(path, address, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")]
    if ip.is_multicast and ip in ipaddress.ip_network("224.0.0.0/24" if ip.version == 4 else "ff02::/10", strict=False):
        return [invalid(path, address, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")]
    return []
