"""IP addresses and CIDRs: ip(x), cidr(x) and what they say of themselves, as Go's net/netip reads them."""

import ipaddress
import re
from dataclasses import dataclass

from master.api.cel import cost
from master.api.cel.declarations import define
from master.api.cel.errors import EvaluationError
from master.api.cel.values import size_of

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NoAddress(ValueError):
    """The text is no address or CIDR."""


@dataclass(frozen=True, slots=True)
class Ip:
    address: Address

    @property
    def cost_size(self) -> int:
        return self.address.max_prefixlen // 8

    def __str__(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True)
class Cidr:
    """`address` may have bits beyond the prefix."""

    address: Address
    bits: int

    @property
    def cost_size(self) -> int:
        return -(-self.bits // 8)

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        return ipaddress.ip_network((self.address.packed, self.bits), strict=False)

    def __str__(self) -> str:
        return f"{self.address}/{self.bits}"


def parse_ip(text: str) -> Address:
    """Raises NoAddress."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        message = (
            f'IP Address "{text[:64]}" parse error during conversion from string: ParseAddr("{text[:64]}"): unable to parse IP'
        )
        raise NoAddress(message) from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise NoAddress(f'IP address "{text}" with zone value is not allowed')
        if address.ipv4_mapped is not None:
            raise NoAddress(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return address


def parse_cidr(text: str) -> Cidr:
    """Raises NoAddress."""
    base, slash, bits = text.partition("/")
    wrong = f'network address parse error during conversion from string: netip.ParsePrefix("{text[:64]}")'
    if not slash:
        raise NoAddress(f"{wrong}: no '/'")
    try:
        address = parse_ip(base)
    except NoAddress as error:
        if "not allowed" in str(error) and "mapped" in str(error):
            raise NoAddress(f'IPv4-mapped IPv6 address "{text}" is not allowed') from error
        raise NoAddress(f"{wrong}: unable to parse IP") from error
    if not re.fullmatch(r"0|[1-9][0-9]{0,2}", bits):
        raise NoAddress(f"{wrong}: bad bits after slash: {bits[:16]!r}")
    if int(bits) > address.max_prefixlen:
        raise NoAddress(f"{wrong}: prefix length out of range")
    return Cidr(address, int(bits))


def _ip(text: str) -> Ip:
    try:
        return Ip(parse_ip(text))
    except NoAddress as error:
        raise EvaluationError(str(error)) from error


def _cidr(text: str) -> Cidr:
    try:
        return parse_cidr(text)
    except NoAddress as error:
        raise EvaluationError(f"network address parse error during conversion from string: {error}") from error


def _is_ip(text: str) -> bool:
    try:
        parse_ip(text)
    except NoAddress:
        return False
    return True


def _is_cidr(text: str) -> bool:
    try:
        parse_cidr(text)
    except NoAddress:
        return False
    return True


def _contains_ip(cidr: Cidr, ip: Ip) -> bool:
    return cidr.address.version == ip.address.version and ip.address in cidr.network


def _contains_cidr(cidr: Cidr, other: Cidr) -> bool:
    if cidr.address.version != other.address.version or cidr.bits > other.bits:
        return False
    return other.address in cidr.network


def _is_global_unicast(ip: Ip) -> bool:
    address = ip.address
    if isinstance(address, ipaddress.IPv4Address) and int(address) == 2**32 - 1:
        return False
    return not (address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local)


def _is_link_local_multicast(ip: Ip) -> bool:
    if isinstance(ip.address, ipaddress.IPv4Address):
        return ip.address in ipaddress.IPv4Network("224.0.0.0/24")
    return ip.address.packed[0] == 0xFF and ip.address.packed[1] & 0x0F == 0x02


def _contains_cost(arguments: tuple[object, ...], result: object) -> int:
    return cost.traversed(size_of(arguments[0]) * 2) + (
        cost.traversed(size_of(arguments[1])) if isinstance(arguments[1], str) else 0
    )


OVERLOADS = (
    define("ip", "(string) -> net.IP", _ip, cost.of_first),
    define("isIP", "(string) -> bool", _is_ip, cost.of_first),
    define("ip.isCanonical", "(string) -> bool", lambda text: str(_ip(text).address) == text, cost.of_first_twice),
    define("family", "net.IP.() -> int", lambda ip: ip.address.version),
    define("isUnspecified", "net.IP.() -> bool", lambda ip: ip.address.is_unspecified),
    define("isLoopback", "net.IP.() -> bool", lambda ip: ip.address.is_loopback),
    define("isLinkLocalMulticast", "net.IP.() -> bool", _is_link_local_multicast),
    define("isLinkLocalUnicast", "net.IP.() -> bool", lambda ip: ip.address.is_link_local),
    define("isGlobalUnicast", "net.IP.() -> bool", _is_global_unicast),
    define("cidr", "(string) -> net.CIDR", _cidr, cost.of_first),
    define("isCIDR", "(string) -> bool", _is_cidr, cost.of_first),
    define("containsIP", "net.CIDR.(net.IP) -> bool", _contains_ip, _contains_cost),
    define("containsIP", "net.CIDR.(string) -> bool", lambda cidr, text: _contains_ip(cidr, _ip(text)), _contains_cost),
    define("containsCIDR", "net.CIDR.(net.CIDR) -> bool", _contains_cidr, _contains_cost),
    define("containsCIDR", "net.CIDR.(string) -> bool", lambda cidr, text: _contains_cidr(cidr, _cidr(text)), _contains_cost),
    define("ip", "net.CIDR.() -> net.IP", lambda cidr: Ip(cidr.address)),
    define("masked", "net.CIDR.() -> net.CIDR", lambda cidr: Cidr(cidr.network.network_address, cidr.bits)),
    define("prefixLength", "net.CIDR.() -> int", lambda cidr: cidr.bits),
)
