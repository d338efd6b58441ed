"""A UDP listener of the userspace mode: each client's flow has a socket of its own to an endpoint.

Sockets with readers on the loop, not datagram transports: an answer has to leave from the address that was asked (IP_PKTINFO),
which matters for node ports, bound on all addresses.
"""

import asyncio
import socket
import struct
import time
from collections import OrderedDict
from collections.abc import Callable

from agent.proxy.balancer import Balancer
from agent.proxy.model import Endpoint
from agent.proxy.userspace_tcp import Chooser

#: Seconds without a datagram after which a flow is forgotten (the kernel's own for an unanswered flow is 30, answered 120).
IDLE_SECONDS = 60.0
#: Flows per listener; the longest silent one makes room.
MAX_FLOWS = 4096
#: Datagrams taken per wake-up, so that one busy port does not hold up the loop.
_BURST = 64
_MAX_DATAGRAM = 65535
_IP_PKTINFO = 8
_PKTINFO = struct.Struct("@i4s4s")

#: (client's address and port, own address as packed)
_FlowKey = tuple[tuple[str, int], bytes]


class _Flow:
    """One client's datagrams to one endpoint and back."""

    def __init__(self, balancer: Balancer, endpoint: Endpoint, now: float) -> None:
        self.balancer = balancer
        self.endpoint = endpoint
        self.used = now
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        try:
            self.socket.connect((endpoint.address, endpoint.port))
        except OSError:
            self.socket.close()
            raise

    @property
    def valid(self) -> bool:
        return self.endpoint in self.balancer.endpoints


class UdpListener:
    """Listens on one address and port; flows end with `close`."""

    def __init__(self, choose: Chooser, clock: Callable[[], float] = time.monotonic) -> None:
        self._choose = choose
        self._clock = clock
        self._socket: socket.socket | None = None
        self._flows: OrderedDict[_FlowKey, _Flow] = OrderedDict()
        self._loop = asyncio.get_running_loop()

    async def open(self, address: str, port: int) -> None:
        """Listen. Raises OSError when the address or port cannot be had."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            sock.bind((address, port))
        except OSError:
            sock.close()
            raise
        self._socket = sock
        self._loop.add_reader(sock, self._readable, sock)

    def close(self) -> None:
        for key in list(self._flows):
            self._end(key)
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def sweep(self) -> None:
        """End flows that are idle, or whose endpoint takes no traffic any more."""
        now = self._clock()
        for key, flow in list(self._flows.items()):
            if not flow.valid or now - flow.used > IDLE_SECONDS:
                self._end(key)

    def _readable(self, sock: socket.socket) -> None:
        for _ in range(_BURST):
            try:
                data, ancillary, _, client = sock.recvmsg(_MAX_DATAGRAM, socket.CMSG_SPACE(_PKTINFO.size))
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error for an answer that we sent
            own = next(
                (
                    _PKTINFO.unpack(value[: _PKTINFO.size])[2]
                    for level, kind, value in ancillary
                    if level == socket.IPPROTO_IP and kind == _IP_PKTINFO
                ),
                b"\0\0\0\0",
            )
            self._forward((client, own), data)

    def _forward(self, key: _FlowKey, data: bytes) -> None:
        flow = self._flows.get(key)
        if flow is not None and not flow.valid:
            self._end(key)
            flow = None
        if flow is None:
            flow = self._begin(key)
        if flow is None:
            return
        flow.used = self._clock()
        self._flows.move_to_end(key)
        try:
            flow.socket.send(data)
        except BlockingIOError:
            return  # the send buffer is full: UDP may lose a datagram
        except OSError:
            self._end(key)

    def _begin(self, key: _FlowKey) -> _Flow | None:
        (client, _), own = key
        balancer = self._choose(client, socket.inet_ntoa(own))
        for endpoint in balancer.order(client):
            try:
                flow = _Flow(balancer, endpoint, self._clock())
            except OSError:
                continue
            balancer.connected(client, endpoint)
            while len(self._flows) >= MAX_FLOWS:
                self._end(next(iter(self._flows)))
            self._flows[key] = flow
            self._loop.add_reader(flow.socket, self._answered, key, flow)
            return flow
        return None

    def _answered(self, key: _FlowKey, flow: _Flow) -> None:
        client, own = key
        for _ in range(_BURST):
            try:
                data = flow.socket.recv(_MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                # Refused: the next datagram of this client goes to the next endpoint.
                self._end(key)
                return
            flow.used = self._clock()
            if self._socket is None:
                return
            control = [(socket.IPPROTO_IP, _IP_PKTINFO, _PKTINFO.pack(0, own, own))] if any(own) else []
            try:
                self._socket.sendmsg([data], control, 0, client)
            except OSError:
                continue  # the client is gone or the buffer is full

    def _end(self, key: _FlowKey) -> None:
        flow = self._flows.pop(key, None)
        if flow is not None:
            self._loop.remove_reader(flow.socket)
            flow.socket.close()
