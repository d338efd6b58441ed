"""Which addresses the API's proxies may reach."""

from ipaddress import ip_address


def is_proxyable(address: str) -> bool:
    """Whether it is a unicast address beyond its host (Go's IsGlobalUnicast): neither loopback nor link-local nor a group.

    So neither a host's own services nor a cloud's metadata are reached (CVE-2018-1002102, CVE-2022-3294).
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    if mapped is not None:
        return is_proxyable(str(mapped))
    return not (found.is_loopback or found.is_link_local or found.is_multicast or found.is_unspecified or found.is_reserved)
