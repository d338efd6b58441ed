"""From a query's bytes to a response's: what of a message is checked, asked of the zone, forwarded, truncated."""

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
from dns.message import Message
from dns.name import Name
from dns.rdatatype import RdataType

from agent.dns.forwarder import Forwarder, Unanswered
from agent.dns.zone import Answer, Zone

#: Largest UDP response in bytes, whatever the client offers.
MAX_UDP = 1232
MAX_TCP = 65535
_CLASSIC_UDP = 512
#: A chain of aliases longer than this is a loop.
_MAX_ALIASES = 8
_HEADER_BYTES = 12


class Responder:
    def __init__(self, *, zone: Zone, forwarder: Forwarder) -> None:
        self.zone = zone
        self._forwarder = forwarder

    def parse(self, wire: bytes) -> Message | bytes | None:
        """The query, or the refusal to send at once, or None for what gets no answer (RFC 1035, 7.3)."""
        if len(wire) < _HEADER_BYTES or wire[2] & 0x80:
            return None  # shorter than a header, or itself a response: answering could make a loop
        try:
            query = dns.message.from_wire(wire)
        except (dns.exception.DNSException, ValueError, NotImplementedError):
            return _refusal(wire, dns.rcode.FORMERR)
        if query.opcode() != dns.opcode.QUERY:
            return _refusal(wire, dns.rcode.NOTIMP)
        if len(query.question) != 1:
            return _refusal(wire, dns.rcode.FORMERR)
        question = query.question[0]
        transfer = question.rdtype in (RdataType.AXFR, RdataType.IXFR)
        if question.rdclass != dns.rdataclass.IN or transfer:
            return _refusal(wire, dns.rcode.REFUSED)
        return query

    def from_zone(self, query: Message) -> Message | None:
        """The response when it needs nobody else; None when it has to be resolved."""
        question = query.question[0]
        answer = self.zone.answer(question.name, question.rdtype)
        if answer is None or answer.alias is not None:
            return None
        return _response(query, answer)

    async def resolve(self, query: Message) -> Message:
        """The response, asking the host's name servers where needed."""
        question = query.question[0]
        response = dns.message.make_response(query, recursion_available=True, our_payload=MAX_UDP)
        name: Name = question.name
        for _ in range(_MAX_ALIASES):
            answer = self.zone.answer(name, question.rdtype)
            if answer is not None:
                response.flags |= dns.flags.AA
                response.answer.extend(answer.answer)
                response.set_rcode(answer.rcode)
                if answer.alias is None:
                    response.authority.extend(answer.authority)
                    response.additional.extend(answer.additional)
                    return response
                name = answer.alias
                continue
            try:
                upstream = await self._forwarder.ask(name, question.rdtype)
            except Unanswered:
                break
            response.answer.extend(upstream.answer)
            response.authority.extend(upstream.authority)
            response.set_rcode(upstream.rcode)
            return response
        response.answer.clear()
        response.set_rcode(dns.rcode.SERVFAIL)
        return response


def udp_wire(query: Message, response: Message) -> bytes:
    """The response as one datagram; truncated (TC) when the client has to come back over TCP."""
    size = min(max(query.payload, _CLASSIC_UDP), MAX_UDP) if query.edns >= 0 else _CLASSIC_UDP
    return response.to_wire(max_size=size, prefer_truncation=True)


def tcp_wire(response: Message) -> bytes:
    return response.to_wire(max_size=MAX_TCP, prefer_truncation=True)


def _response(query: Message, answer: Answer) -> Message:
    response = dns.message.make_response(query, recursion_available=True, our_payload=MAX_UDP)
    response.flags |= dns.flags.AA
    response.set_rcode(answer.rcode)
    response.answer = list(answer.answer)
    response.authority = list(answer.authority)
    response.additional = list(answer.additional)
    return response


def _refusal(wire: bytes, rcode: dns.rcode.Rcode) -> bytes:
    """A bare header: the query's id and opcode, and the code. Its sections could not be trusted."""
    return wire[:2] + bytes(((wire[2] & 0x79) | 0x80, 0x80 | rcode)) + bytes(8)
