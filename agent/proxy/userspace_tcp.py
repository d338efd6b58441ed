"""A TCP listener of the userspace mode: each connection is piped to an endpoint.

Plain Protocols: uvloop's BufferedProtocol crashed under connection churn (double free, uvloop 0.23). A half-closed connection
stays half-open the other way; a slow reader on one side pauses the other. A connect that fails goes on to the next endpoint.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import cast

from agent.proxy.balancer import Balancer

_log = logging.getLogger(__name__)

#: Seconds for one endpoint to take a connection before the next is asked.
CONNECT_TIMEOUT = 2.0
_BACKLOG = 1024

#: Which balancer serves a client: (client address, own address) → balancer. Differs by externalTrafficPolicy.
Chooser = Callable[[str, str], Balancer]


class _Pipe(asyncio.Protocol):
    """One side of a proxied connection; `peer` is the other."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.peer: _Pipe | None = None
        self.lost = False
        self._ended = False
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def gone(self) -> bool:
        return self.lost

    def join(self, peer: "_Pipe") -> None:
        """Both sides are connected: from now on what one says goes to the other."""
        self.peer, peer.peer = peer, self
        for one in (self, peer):
            for data in one._early:
                one.data_received(data)
            one._early.clear()
            if one._ended:
                one.eof_received()

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            # uvloop reads once even when connection_made paused it.
            self._early.append(data)
            if self.transport is not None:
                self.transport.pause_reading()
        elif (transport := self._open_peer()) is not None:
            transport.write(data)

    def eof_received(self) -> bool:
        self._ended = True
        peer = self.peer
        if peer is None:
            return True  # told on when there is somebody to tell
        if peer.lost or peer.transport is None:
            return False
        if peer._ended:
            # Both directions have ended; what is written already is still sent.
            peer.transport.close()
            if self.transport is not None:
                self.transport.close()
            return False
        if peer.transport.can_write_eof() and not peer.transport.is_closing():
            peer.transport.write_eof()
        return True  # the other direction may still have something to say

    def pause_writing(self) -> None:
        if (transport := self._open_peer()) is not None:
            transport.pause_reading()

    def resume_writing(self) -> None:
        if (transport := self._open_peer()) is not None:
            transport.resume_reading()

    def _open_peer(self) -> asyncio.Transport | None:
        transport = self.peer.transport if self.peer is not None and not self.peer.lost else None
        return transport if transport is not None and not transport.is_closing() else None

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        peer = self.peer
        if peer is None or peer.lost or peer.transport is None:
            return
        if exc is not None:
            peer.transport.abort()
        else:
            peer.transport.close()


class _ClientPipe(_Pipe):
    def __init__(self, accepted: Callable[["_ClientPipe"], None]) -> None:
        super().__init__()
        self._accepted = accepted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # Nothing is read before there is somewhere to write it.
        cast(asyncio.Transport, transport).pause_reading()
        self._accepted(self)


class TcpListener:
    """Listens on one address and port. `group` owns the connects under way; established connections outlive `close`."""

    def __init__(self, choose: Chooser, group: asyncio.TaskGroup) -> None:
        self._choose = choose
        self._group = group
        self._server: asyncio.Server | None = None

    async def open(self, address: str, port: int) -> None:
        """Listen. Raises OSError when the address or port cannot be had."""
        # reuse_port: a Service's port may be the number of another one's node port, which is bound on all addresses.
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _ClientPipe(self._accepted), address, port, backlog=_BACKLOG, reuse_port=True
        )

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def _accepted(self, client: _ClientPipe) -> None:
        self._group.create_task(self._connect(client))

    async def _connect(self, client: _ClientPipe) -> None:
        transport = client.transport
        assert transport is not None
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if peer is None or own is None:
            transport.abort()
            return
        _disable_nagle(transport)
        balancer = self._choose(peer[0], own[0])
        for endpoint in balancer.order(peer[0]):
            if client.gone():
                return
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    server, pipe = await asyncio.get_running_loop().create_connection(_Pipe, endpoint.address, endpoint.port)
            except (OSError, TimeoutError) as error:
                _log.debug("endpoint %s:%d took no connection: %s", endpoint.address, endpoint.port, error)
                continue
            if client.gone():
                server.abort()
                return
            _disable_nagle(server)
            if pipe.gone():
                continue
            balancer.connected(peer[0], endpoint)
            client.join(pipe)
            for one in (transport, server):
                if not one.is_closing():
                    one.resume_reading()
            return
        transport.abort()


def _disable_nagle(transport: asyncio.BaseTransport) -> None:
    """Small answers must not wait for an acknowledgement that the direct connection would not wait for."""
    sock = transport.get_extra_info("socket")
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        pass  # the connection is gone already; its protocol hears of that
