"""The cluster's DNS on each node, on the pod bridge's address, over UDP and TCP. Started by `agent.app`.

Listens as soon as the address exists: the bridge comes with the pod network. Answers for the cluster come from the desired
state, so they go on without master and broker. A malformed message is refused or dropped, never fatal.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from ipaddress import IPv4Network
from pathlib import Path

from dns.message import Message
from prometheus_client import REGISTRY, CollectorRegistry, Counter

from agent.desired import DesiredState
from agent.dns.forwarder import Forwarder
from agent.dns.responder import Responder, tcp_wire, udp_wire
from agent.dns.zone import Zone
from agent.dns.zone_index import ZoneIndex

_log = logging.getLogger(__name__)

_BIND_RETRY = 0.5
#: Questions being resolved and TCP connections at once; beyond, a client has to ask again.
_MAX_RESOLVING = 512
_MAX_CONNECTIONS = 128
_TCP_IDLE = 10.0


class DNSServer:
    """`addresses`: where to listen; empty for the first address of the node's pod CIDR."""

    def __init__(
        self,
        *,
        desired: DesiredState,
        addresses: Sequence[str] = (),
        port: int = 53,
        resolv_conf: Path = Path("/etc/resolv.conf"),
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._desired = desired
        self._given = tuple(addresses)
        self._port = port
        self._index = ZoneIndex(desired)
        self._addresses: tuple[str, ...] = ()
        self._forwarder = Forwarder(resolv_conf=resolv_conf, own=lambda: self._addresses)
        self._responses = Counter("wherry_dns_responses", "Responses by code", ["rcode"], registry=registry)
        self._problem = "not listening yet"

    @property
    def problem(self) -> str:
        """Why pods may not resolve names; empty when they do."""
        return self._problem

    async def run(self) -> None:
        """Serve until cancelled; anew when the node's order changes."""
        changes = self._desired.subscribe("services", "endpointslices", "node")
        while self._desired.node is None or not (self._given or self._desired.node.pod_cidr):
            await changes.changes()
        self._index.rebuild()
        while True:
            order = self._desired.node
            self._addresses = self._given or (str(IPv4Network(order.pod_cidr).network_address + 1),)
            zone = Zone(
                index=self._index,
                domain=order.cluster_domain,
                networks=(order.cluster_cidr, order.service_cidr),
                own_address=self._addresses[0],
                serial=int(time.time()),
            )
            async with asyncio.TaskGroup() as group:
                serving = group.create_task(self._serve(Responder(zone=zone, forwarder=self._forwarder)))
                while self._desired.node == order:
                    for change in await changes.changes():
                        self._index.apply(change)
                serving.cancel()

    async def _serve(self, responder: Responder) -> None:
        async with asyncio.TaskGroup() as group:
            for address in self._addresses:
                group.create_task(self._serve_address(responder, address))

    async def _serve_address(self, responder: Responder, address: str) -> None:
        loop = asyncio.get_running_loop()
        connections = asyncio.Semaphore(_MAX_CONNECTIONS)

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                if not connections.locked():
                    async with connections:
                        await self._serve_connection(responder, reader, writer)
            finally:
                writer.close()

        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    udp, _ = await loop.create_datagram_endpoint(
                        lambda: _UdpListener(self, responder, group), (address, self._port)
                    )
                    try:
                        tcp = await asyncio.start_server(connected, address, self._port)
                    except BaseException:
                        udp.close()
                        raise
                    break
                except OSError as error:
                    problem = f"cannot listen on {address}:{self._port}: {error.strerror or error}"
                    if problem != self._problem:
                        # At the start the pod bridge is not there yet: no reason to worry, so no warning.
                        _log.info("DNS %s, trying again", problem)
                        self._problem = problem
                    await asyncio.sleep(_BIND_RETRY)
            self._problem = ""
            _log.info("DNS listens on %s:%d", address, self._port)
            try:
                async with tcp:
                    await asyncio.Event().wait()
            finally:
                udp.close()

    async def _serve_connection(
        self, responder: Responder, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Queries of one TCP connection, one after the other (RFC 7766), until it is silent."""
        try:
            while True:
                async with asyncio.timeout(_TCP_IDLE):
                    length = int.from_bytes(await reader.readexactly(2))
                    wire = await reader.readexactly(length)
                query = responder.parse(wire)
                if query is None:
                    return
                if isinstance(query, Message):
                    response = responder.from_zone(query) or await responder.resolve(query)
                    self.count(response)
                    answer = tcp_wire(response)
                else:
                    answer = query
                writer.write(len(answer).to_bytes(2) + answer)
                async with asyncio.timeout(_TCP_IDLE):
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            return

    def count(self, response: Message) -> None:
        self._responses.labels(response.rcode().name).inc()


class _UdpListener(asyncio.DatagramProtocol):
    def __init__(self, server: DNSServer, responder: Responder, group: asyncio.TaskGroup) -> None:
        self._server = server
        self._responder = responder
        self._group = group
        self._resolving = 0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's class does not inherit from asyncio's

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = self._responder.parse(data)
        if query is None or self._transport is None:
            return
        if not isinstance(query, Message):
            self._transport.sendto(query, addr)
            return
        response = self._responder.from_zone(query)
        if response is not None:
            self._send(query, response, addr)
        elif self._resolving < _MAX_RESOLVING:
            self._resolving += 1
            self._group.create_task(self._resolve(query, addr))

    async def _resolve(self, query: Message, addr: tuple[str, int]) -> None:
        try:
            self._send(query, await self._responder.resolve(query), addr)
        finally:
            self._resolving -= 1

    def _send(self, query: Message, response: Message, addr: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._server.count(response)
            self._transport.sendto(udp_wire(query, response), addr)
