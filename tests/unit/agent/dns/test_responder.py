"""Any bytes in, a well-formed message or silence out."""

from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import pytest
from dns.message import Message
from hypothesis import given
from hypothesis import strategies as st

from agent.dns.forwarder import Forwarder, parse_resolv_conf
from agent.dns.responder import Responder, tcp_wire, udp_wire
from tests.unit.agent.dns.cluster import cluster, slice_of, zone


def make() -> Responder:
    return Responder(zone=zone(cluster()), forwarder=Forwarder(resolv_conf=Path("/nonexistent"), own=lambda: ()))


RESPONDER = make()
QUERY = dns.message.make_query("web.default.svc.cluster.local", "A", use_edns=0).to_wire()


def holds(wire: bytes) -> None:
    query = RESPONDER.parse(wire)
    if query is None:
        return
    if isinstance(query, Message):
        response = RESPONDER.from_zone(query)
        if response is None:
            return
        answer = udp_wire(query, response)
        tcp_wire(response)
    else:
        answer = query
    parsed = dns.message.from_wire(answer)
    assert parsed.id == int.from_bytes(wire[:2])
    assert parsed.flags & dns.flags.QR


@given(st.binary(max_size=600))
def test_random_bytes_never_crash(wire: bytes) -> None:
    holds(wire)


@given(st.lists(st.tuples(st.integers(0, len(QUERY) - 1), st.integers(0, 255)), max_size=8), st.integers(0, len(QUERY)))
def test_mutated_queries_never_crash(changes: list[tuple[int, int]], length: int) -> None:
    wire = bytearray(QUERY)
    for place, value in changes:
        wire[place] = value
    holds(bytes(wire[:length]))


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=6), st.sampled_from(["A", "SRV", "PTR", "ANY"]))
def test_any_name_under_the_zone_is_answered(labels: list[bytes], rdtype: str) -> None:
    name = dns.name.Name([*labels, b"default", b"svc", b"cluster", b"local", b""])
    holds(dns.message.make_query(name, rdtype).to_wire())


@pytest.mark.parametrize(
    ("text", "rdclass", "rcode"),
    [("web.default.svc.cluster.local", "CH", "REFUSED"), ("cluster.local", "IN", "REFUSED")],
)
def test_what_is_not_served_is_refused(text: str, rdclass: str, rcode: str) -> None:
    rdtype = "AXFR" if rdclass == "IN" else "A"
    answer = RESPONDER.parse(dns.message.make_query(text, rdtype, rdclass).to_wire())
    assert isinstance(answer, bytes)
    assert dns.message.from_wire(answer).rcode() == dns.rcode.from_text(rcode)


def test_a_response_gets_no_answer() -> None:
    assert RESPONDER.parse(dns.message.make_response(dns.message.from_wire(QUERY)).to_wire()) is None


def test_a_large_answer_is_truncated_over_udp_and_whole_over_tcp() -> None:
    desired = cluster()
    many = [{"addresses": [f"10.244.1.{number}"]} for number in range(1, 200)]
    desired.endpoint_slices["default", "db-1"] = slice_of("db", *many)
    responder = Responder(zone=zone(desired), forwarder=Forwarder(resolv_conf=Path("/nonexistent"), own=lambda: ()))
    for edns, limit in ((-1, 512), (0, 1232)):
        wire = dns.message.make_query("db.default.svc.cluster.local", "A", use_edns=edns, payload=4096).to_wire()
        query = responder.parse(wire)
        assert isinstance(query, Message)
        response = responder.from_zone(query)
        assert response is not None
        over_udp = udp_wire(query, response)
        assert len(over_udp) <= limit
        assert dns.message.from_wire(over_udp).flags & dns.flags.TC
        whole = dns.message.from_wire(tcp_wire(response))
        assert not whole.flags & dns.flags.TC
        assert len(whole.answer[0]) == 199


async def test_an_alias_into_the_cluster_is_followed() -> None:
    query = dns.message.make_query("gone.default.svc.cluster.local", "A")
    assert RESPONDER.from_zone(query) is None
    response = await RESPONDER.resolve(query)
    assert [rrset.to_text().split()[3:] for rrset in response.answer] == [
        ["CNAME", "web.default.svc.cluster.local."],
        ["A", "10.96.0.10"],
    ]


async def test_without_name_servers_the_outside_is_servfail() -> None:
    response = await RESPONDER.resolve(dns.message.make_query("example.com", "A"))
    assert response.rcode() == dns.rcode.SERVFAIL


def test_resolv_conf_is_read_as_the_resolver_does() -> None:
    text = "# comment\nsearch a\nnameserver 127.0.0.53\nnameserver\t9.9.9.9 # x\nnameserver ::1\nnameserver 1.1.1.1"
    assert parse_resolv_conf(text) == ["127.0.0.53", "9.9.9.9", "::1"]
