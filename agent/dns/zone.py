"""What the cluster's zone answers: Kubernetes' DNS-Based Service Discovery, version 1.1.0. Pure.

    <service>.<ns>.svc.<zone>                    A: the cluster IP; headless: every ready endpoint; ExternalName: CNAME
    <hostname>.<service>.<ns>.svc.<zone>         A: that endpoint
    _<port>._<protocol>.<service>.<ns>.svc.<zone>  SRV
    a-b-c-d.<ns>.pod.<zone>                      A: a.b.c.d
    dns-version.<zone>                           TXT
    d.c.b.a.in-addr.arpa                         PTR: a Service's name, or a headless Service's endpoint's

A name that exists without records of the asked type is NODATA, any other NXDOMAIN; both with the SOA (RFC 2308).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

import dns.exception
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.reversename
import dns.rrset
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rrset import RRset

from agent.dns.zone_index import NamedEndpoint, ZoneIndex, is_headless

#: Seconds; CoreDNS' kubernetes plugin has the same.
TTL = 5
SCHEMA_VERSION = "1.1.0"
_REVERSE = dns.name.from_text("in-addr.arpa.")


@dataclass(frozen=True, slots=True)
class Answer:
    """An authoritative answer. `alias`: the CNAME's target, which the server resolves further."""

    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    answer: tuple[RRset, ...] = ()
    authority: tuple[RRset, ...] = ()
    additional: tuple[RRset, ...] = ()
    alias: Name | None = None


@dataclass(slots=True)
class _Found:
    """What lies at a name: records by type. None of these: the name does not exist."""

    a: list[str] = field(default_factory=list)
    srv: list[tuple[int, Name]] = field(default_factory=list)
    ptr: list[Name] = field(default_factory=list)
    txt: str = ""
    cname: Name | None = None
    glue: dict[Name, list[str]] = field(default_factory=dict)


class Zone:
    """Answers from the index. `own_address`: where this server listens, for the zone's NS record."""

    def __init__(self, *, index: ZoneIndex, domain: str, networks: Iterable[str], own_address: str, serial: int) -> None:
        self._index = index
        self.origin = dns.name.from_text(domain.rstrip(".") + ".")
        self._networks = [IPv4Network(network) for network in networks if network]
        self._own_address = own_address
        self._serial = serial
        self._turn = 0

    def answer(self, name: Name, rdtype: RdataType) -> Answer | None:
        """None when the name is not ours to answer."""
        lowered = name.canonicalize()
        if lowered.is_subdomain(self.origin):
            if lowered == self.origin:
                return self._apex(name, rdtype)
            # Latin-1 keeps any byte a label may hold; none of those is a Kubernetes name.
            labels = [label.decode("latin-1") for label in lowered.relativize(self.origin).labels]
            found = self._forward(labels)
        elif lowered.is_subdomain(_REVERSE) and (address := self._reversed(lowered)) is not None:
            found = self._reverse(address)
        else:
            return None
        if found is None:
            return Answer(dns.rcode.NXDOMAIN, authority=(self._soa(),))
        return self._records(name, rdtype, found)

    def _apex(self, name: Name, rdtype: RdataType) -> Answer:
        server = dns.name.from_text("ns.dns", self.origin)
        if rdtype == RdataType.SOA:
            return Answer(answer=(self._soa(),))
        if rdtype in (RdataType.NS, RdataType.ANY):
            record = dns.rrset.from_text(name, TTL, "IN", "NS", server.to_text())
            return Answer(answer=(record,), additional=(_a(server, [self._own_address]),))
        return Answer(authority=(self._soa(),))

    def _soa(self) -> RRset:
        zone = self.origin.to_text()
        return dns.rrset.from_text(
            self.origin, TTL, "IN", "SOA", f"ns.dns.{zone} hostmaster.{zone} {self._serial} 7200 1800 86400 {TTL}"
        )

    def _forward(self, labels: list[str]) -> _Found | None:
        match labels:
            case ["dns-version"]:
                return _Found(txt=SCHEMA_VERSION)
            case ["svc"] | ["pod"] | ["dns"]:
                return _Found()
            case ["ns", "dns"]:
                return _Found(a=[self._own_address])
            case [namespace, "svc"]:
                return _Found() if self._index.has_namespace(namespace) else None
            case [_, "pod"]:
                return _Found()
            case [dashed, _, "pod"]:
                return _pod(dashed)
            case [*inner, service, namespace, "svc"]:
                return self._service(inner, service, namespace)
        return None

    def _service(self, inner: list[str], name: str, namespace: str) -> _Found | None:
        service = self._index.service(namespace, name)
        spec = service.spec if service is not None else None
        if service is None or spec is None:
            return None
        own = dns.name.from_text(f"{name}.{namespace}.svc", self.origin)
        if spec.type == "ExternalName":
            try:
                target = dns.name.from_text((spec.externalName or "").rstrip(".") + ".")
            except dns.exception.DNSException:
                return _Found()
            return None if inner else _Found(cname=target)
        endpoints = self._index.endpoints(namespace, name)
        headless = is_headless(service)
        match inner:
            case []:
                if headless:
                    return _Found(a=self._rotated(sorted({one.address for one in endpoints})))
                return _Found(a=[spec.clusterIP] if spec.clusterIP and ":" not in spec.clusterIP else [])
            case [hostname] if not hostname.startswith("_"):
                addresses = sorted({one.address for one in endpoints if one.hostname.lower() == hostname})
                return _Found(a=addresses) if addresses else None
            case [protocol] if protocol in ("_tcp", "_udp", "_sctp"):
                return _Found()
            case [port, protocol] if port.startswith("_") and protocol in ("_tcp", "_udp", "_sctp"):
                if headless:
                    return _headless_srv(port[1:], protocol[1:], own, endpoints)
                for one in spec.ports or []:
                    if (one.name or "") == port[1:] and (one.protocol or "TCP").lower() == protocol[1:]:
                        return _Found(srv=[(one.port, own)], glue={own: [spec.clusterIP or ""]})
        return None

    def _rotated(self, addresses: list[str]) -> list[str]:
        """Another one first each time: many clients take the first."""
        if not addresses:
            return []
        self._turn += 1
        start = self._turn % len(addresses)
        return addresses[start:] + addresses[:start]

    def _reversed(self, name: Name) -> str | None:
        """The address of a reverse name when it lies in the cluster's networks."""
        try:
            address = IPv4Address(dns.reversename.to_address(name))
        except (dns.exception.DNSException, ValueError):
            return None
        return str(address) if any(address in network for network in self._networks) else None

    def _reverse(self, address: str) -> _Found | None:
        service = self._index.service_of_ip(address)
        if service is not None:
            namespace, name = service
            return _Found(ptr=[dns.name.from_text(f"{name}.{namespace}.svc", self.origin)])
        names = [
            dns.name.from_text(f"{hostname}.{name}.{namespace}.svc", self.origin)
            for hostname, (namespace, name) in self._index.endpoint_names_of_ip(address)
        ]
        return _Found(ptr=names) if names else None

    def _records(self, name: Name, rdtype: RdataType, found: _Found) -> Answer:
        if found.cname is not None:
            record = dns.rrset.from_text(name, TTL, "IN", "CNAME", found.cname.to_text())
            alias = found.cname if rdtype not in (RdataType.CNAME, RdataType.ANY) else None
            return Answer(answer=(record,), alias=alias)
        every = rdtype == RdataType.ANY
        records: list[RRset] = []
        additional: list[RRset] = []
        if found.a and (every or rdtype == RdataType.A):
            records.append(_a(name, found.a))
        if found.srv and (every or rdtype == RdataType.SRV):
            lines = [f"0 {max(100 // len(found.srv), 1)} {port} {target.to_text()}" for port, target in found.srv]
            records.append(dns.rrset.from_text_list(name, TTL, "IN", "SRV", lines))
            additional = [_a(target, addresses) for target, addresses in sorted(found.glue.items()) if all(addresses)]
        if found.ptr and (every or rdtype == RdataType.PTR):
            records.append(dns.rrset.from_text_list(name, TTL, "IN", "PTR", [one.to_text() for one in found.ptr]))
        if found.txt and (every or rdtype == RdataType.TXT):
            records.append(dns.rrset.from_text(name, TTL, "IN", "TXT", f'"{found.txt}"'))
        if not records:
            return Answer(authority=(self._soa(),))
        return Answer(answer=tuple(records), additional=tuple(additional))


def _a(name: Name, addresses: list[str]) -> RRset:
    return dns.rrset.from_text_list(name, TTL, "IN", "A", addresses)


def _pod(dashed: str) -> _Found | None:
    try:
        return _Found(a=[str(IPv4Address(dashed.replace("-", ".")))]) if "." not in dashed else None
    except ValueError:
        return None


def _headless_srv(port: str, protocol: str, own: Name, endpoints: list[NamedEndpoint]) -> _Found | None:
    found = _Found()
    for endpoint in endpoints:
        target = dns.name.from_text(endpoint.hostname, own)
        for name, of, number in endpoint.ports:
            if (name, of) == (port, protocol):
                found.srv.append((number, target))
                found.glue.setdefault(target, []).append(endpoint.address)
    return found if found.srv else None
