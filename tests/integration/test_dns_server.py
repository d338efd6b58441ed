"""The DNS server over real sockets: both transports, changes, and the host's own name servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from dns.message import Message
from prometheus_client import CollectorRegistry

from agent.desired import Change, DesiredState
from agent.dns.server import DNSServer
from tests.unit.agent.dns.cluster import cluster, service

pytestmark = [pytest.mark.root]

PORT = 15353
ADDRESS, UPSTREAM = "127.53.7.1", "127.53.7.2"


class Upstream(asyncio.DatagramProtocol):
    """A name server that answers every question with 192.0.2.1 and counts them."""

    def __init__(self) -> None:
        self.asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        query = dns.message.from_wire(data)
        reply = dns.message.make_response(query)
        reply.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", "192.0.2.1"))
        self.transport.sendto(reply.to_wire(), addr)


@asynccontextmanager
async def serving(desired: DesiredState, folder: Path) -> AsyncIterator[DNSServer]:
    """A server whose host has two name servers: itself (to be skipped) and UPSTREAM."""
    resolv_conf = folder / "resolv.conf"
    resolv_conf.write_text(f"nameserver {ADDRESS}\nnameserver {UPSTREAM}\n")
    server = DNSServer(desired=desired, addresses=[ADDRESS], port=PORT, resolv_conf=resolv_conf, registry=CollectorRegistry())
    async with asyncio.TaskGroup() as group:
        running = group.create_task(server.run())
        async with asyncio.timeout(5):
            while server.problem:
                await asyncio.sleep(0.01)
        yield server
        running.cancel()


async def ask(name: str, *, tcp: bool = False, rdtype: str = "A") -> Message:
    query = dns.message.make_query(name, rdtype)
    if tcp:
        return await dns.asyncquery.tcp(query, ADDRESS, timeout=5, port=PORT)
    return await dns.asyncquery.udp(query, ADDRESS, timeout=5, port=PORT)


async def test_both_transports_answer_and_follow_changes(tmp_path: Path) -> None:
    desired = cluster()
    async with serving(desired, tmp_path):
        for tcp in (False, True):
            reply = await ask("web.default.svc.cluster.local", tcp=tcp)
            assert reply.flags & dns.flags.AA
            assert reply.answer[0][0].to_text() == "10.96.0.10"
        desired.services["default", "new"] = service("new", clusterIP="10.96.0.77")
        desired.tell(Change("services", "default", "new"))
        await asyncio.sleep(0.05)
        assert (await ask("new.default.svc.cluster.local")).answer[0][0].to_text() == "10.96.0.77"
        del desired.services["default", "new"]
        desired.tell(Change("services", "default", "new"))
        await asyncio.sleep(0.05)
        assert (await ask("new.default.svc.cluster.local")).rcode() == dns.rcode.NXDOMAIN


async def test_other_names_come_from_the_hosts_servers_and_are_asked_once(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    transport, upstream = await loop.create_datagram_endpoint(Upstream, (UPSTREAM, 53))
    try:
        async with serving(cluster(), tmp_path):
            first = await ask("example.com")
            again = await ask("EXAMPLE.com", tcp=True)
            assert first.answer[0][0].to_text() == again.answer[0][0].to_text() == "192.0.2.1"
            assert not first.flags & dns.flags.AA
            assert upstream.asked == 1
    finally:
        transport.close()


async def test_a_dead_name_server_is_servfail_and_the_cluster_still_answers(tmp_path: Path) -> None:
    async with serving(cluster(), tmp_path):
        assert (await ask("example.com")).rcode() == dns.rcode.SERVFAIL
        assert (await ask("web.default.svc.cluster.local")).rcode() == dns.rcode.NOERROR


async def test_rubbish_on_both_transports_leaves_the_server_alive(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with serving(cluster(), tmp_path):
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(ADDRESS, PORT))
        for length in range(0, 300, 7):
            transport.sendto(bytes(index * 37 % 256 for index in range(length)))
        transport.close()
        reader, writer = await asyncio.open_connection(ADDRESS, PORT)
        writer.write(b"\x00\x20" + b"\x55" * 32)
        await writer.drain()
        assert (await reader.read(100))[4:6] != b""
        writer.write(b"\xff\xff half a message")
        writer.close()
        assert (await ask("web.default.svc.cluster.local", tcp=True)).rcode() == dns.rcode.NOERROR
