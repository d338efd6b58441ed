"""Names outside the cluster: asked of the host's own name servers, kept in a bounded cache.

Loop-safe: this server's own addresses are skipped, and the same question in flight twice is asked once, so a name server that
asks us back waits for itself and runs into the time-out, without ever multiplying.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from dns.message import Message
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rrset import RRset

#: Seconds for one name server, and for a question altogether (a stub resolver gives up after 5).
SERVER_TIMEOUT = 2.0
TOTAL_TIMEOUT = 4.5
#: Questions to name servers at once; more are refused (SERVFAIL) instead of piling up.
MAX_IN_FLIGHT = 256
MAX_CACHED = 4096
_MAX_TTL, _MAX_NEGATIVE_TTL = 300, 30
_REREAD_SECONDS = 5.0
_PAYLOAD = 1232  # DNS flag day 2020: fits every path unfragmented

_Question = tuple[Name, RdataType]


class Unanswered(Exception):
    """No name server answered in time: SERVFAIL."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """An answer from outside, with the time until which it may be repeated."""

    rcode: dns.rcode.Rcode
    answer: tuple[RRset, ...]
    authority: tuple[RRset, ...]
    at: float
    until: float


class Forwarder:
    """`resolv_conf` is read again when it changes. `own`: addresses that this server listens on."""

    def __init__(
        self, *, resolv_conf: Path, own: Callable[[], Collection[str]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._resolv_conf = resolv_conf
        self._own = own
        self._clock = clock
        self._servers: list[str] = []
        self._read_at = float("-inf")
        self._cache: OrderedDict[_Question, Upstream] = OrderedDict()
        self._in_flight: dict[_Question, asyncio.Future[Upstream]] = {}

    async def ask(self, name: Name, rdtype: RdataType) -> Upstream:
        """Raises Unanswered."""
        question = (name.canonicalize(), rdtype)
        now = self._clock()
        cached = self._cache.get(question)
        if cached is not None and now < cached.until:
            self._cache.move_to_end(question)
            return _aged(cached, int(now - cached.at))
        if (flying := self._in_flight.get(question)) is not None:
            return await asyncio.shield(flying)
        if len(self._in_flight) >= MAX_IN_FLIGHT:
            raise Unanswered("too many questions at once")
        future: asyncio.Future[Upstream] = asyncio.get_running_loop().create_future()
        self._in_flight[question] = future
        try:
            answer = await self._ask_servers(name, rdtype)
        except BaseException as error:
            # Those who wait for the same answer fail with us, also when we are cancelled.
            future.set_exception(error if isinstance(error, Unanswered) else Unanswered("gave up"))
            future.exception()
            raise
        finally:
            del self._in_flight[question]
        future.set_result(answer)
        if answer.until > answer.at:
            self._cache[question] = answer
            self._cache.move_to_end(question)
            while len(self._cache) > MAX_CACHED:
                self._cache.popitem(last=False)
        return answer

    async def _ask_servers(self, name: Name, rdtype: RdataType) -> Upstream:
        servers = await self._current_servers()
        problem = "the host has no name server"
        try:
            async with asyncio.timeout(TOTAL_TIMEOUT):
                for server in servers:
                    query = dns.message.make_query(name, rdtype, use_edns=0, payload=_PAYLOAD)
                    try:
                        reply, _ = await dns.asyncquery.udp_with_fallback(query, server, timeout=SERVER_TIMEOUT)
                    except (dns.exception.DNSException, OSError) as error:
                        problem = f"{server}: {error or type(error).__name__}"
                        continue
                    if reply.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                        return self._kept(reply)
                    problem = f"{server}: {dns.rcode.to_text(reply.rcode())}"
        except TimeoutError:
            problem = "no name server answered in time"
        raise Unanswered(problem)

    def _kept(self, reply: Message) -> Upstream:
        now = self._clock()
        answer = tuple(reply.answer)
        authority = tuple(rrset for rrset in reply.authority if rrset.rdtype == RdataType.SOA)
        if answer and reply.rcode() == dns.rcode.NOERROR:
            ttl = min(min(rrset.ttl for rrset in answer), _MAX_TTL)
        elif authority:
            ttl = min(authority[0].ttl, authority[0][0].minimum, _MAX_NEGATIVE_TTL)  # RFC 2308, 5
        else:
            ttl = 0
        return Upstream(reply.rcode(), answer, authority, now, now + ttl)

    async def _current_servers(self) -> list[str]:
        now = self._clock()
        if now - self._read_at >= _REREAD_SECONDS:
            self._read_at = now
            self._servers = parse_resolv_conf(await asyncio.to_thread(_read, self._resolv_conf))
        own = self._own()
        return [server for server in self._servers if server not in own]


def parse_resolv_conf(text: str) -> list[str]:
    """The name servers, at most three (resolv.conf(5)). A scope ("fe80::1%eth0") is kept."""
    servers = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            servers.append(words[1])
    return servers[:3]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _aged(upstream: Upstream, seconds: int) -> Upstream:
    """The same with what is left of its time to live."""

    def aged(rrsets: tuple[RRset, ...]) -> tuple[RRset, ...]:
        copies = []
        for rrset in rrsets:
            copies.append(dns.rrset.from_rdata_list(rrset.name, max(rrset.ttl - seconds, 0), list(rrset)))
        return tuple(copies)

    return Upstream(upstream.rcode, aged(upstream.answer), aged(upstream.authority), upstream.at, upstream.until)
