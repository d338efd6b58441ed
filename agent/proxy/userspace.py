"""kube-proxy's userspace mode: this process accepts and pipes the connections. For kernels without nftables.

Node ports need no privilege. Cluster IPs need a local route for the service CIDR (CAP_NET_ADMIN, once) and ports below 1024
CAP_NET_BIND_SERVICE. Pods see the node's address instead of the client's. Connections end with the agent. No SCTP.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address

from agent.proxy.backend import ProxyFailed
from agent.proxy.balancer import Balancer
from agent.proxy.local_routes import ensure_local, matching, own_addresses
from agent.proxy.model import Protocol, ServicePort, ServicePortName
from agent.proxy.nft_rules import NftOptions
from agent.proxy.userspace_tcp import TcpListener
from agent.proxy.userspace_udp import UdpListener

_log = logging.getLogger(__name__)

_SWEEP_SECONDS = 10.0

#: (protocol, address, port)
_Frontend = tuple[Protocol, str, int]


@dataclass(slots=True)
class _Served:
    """A Service port and its two turns."""

    port: ServicePort
    cluster: Balancer
    local: Balancer


class UserspaceBackend:
    """See `agent.proxy.backend.Backend`. `options` is asked at each full sync."""

    mode = "userspace"

    def __init__(self, *, options: Callable[[], NftOptions]) -> None:
        self._options = options
        self._served: dict[ServicePortName, _Served] = {}
        self._listeners: dict[_Frontend, tuple[ServicePortName, TcpListener | UdpListener]] = {}
        self._node_addresses: list[str] = ["0.0.0.0"]
        self._cluster: IPv4Network | None = None
        self._group: asyncio.TaskGroup | None = None
        self._started = asyncio.Event()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._started.set()
                while True:
                    await asyncio.sleep(_SWEEP_SECONDS)
                    self._sweep()
        finally:
            self._started.clear()
            for _, listener in self._listeners.values():
                listener.close()
            self._listeners.clear()

    async def sync(self, wanted: Iterable[ServicePort], gone: Collection[ServicePortName]) -> None:
        await self._started.wait()
        for name in gone:
            self._served.pop(name, None)
        for port in wanted:
            served = self._served.get(port.name)
            if served is None:
                served = self._served[port.name] = _Served(port, Balancer(), Balancer())
            served.port = port
            served.cluster.update(port.cluster_endpoints, port.affinity_seconds)
            served.local.update(port.local_endpoints, port.affinity_seconds)
        self._sweep()
        await self._listen()

    async def sync_all(self, wanted: Iterable[ServicePort]) -> None:
        ports = list(wanted)
        options = self._options()
        self._cluster = IPv4Network(options.cluster_cidr) if options.cluster_cidr else None
        if options.node_port_addresses:
            self._node_addresses = matching(await own_addresses(), options.node_port_addresses)
        names = {port.name for port in ports}
        problem = ""
        try:
            await ensure_local(self._networks(ports, options.service_cidr))
        except OSError as error:
            problem = f"cluster IPs are not served: {error}"
        await self.sync(ports, [name for name in self._served if name not in names])
        if problem:
            raise ProxyFailed(problem)

    async def teardown(self) -> None:
        try:
            await ensure_local(())
        except OSError as error:
            raise ProxyFailed(str(error)) from error

    @staticmethod
    def _networks(ports: Iterable[ServicePort], service_cidr: str) -> set[str]:
        return {service_cidr} - {""} | {f"{address}/32" for port in ports for address in port.external_ips}

    def _sweep(self) -> None:
        for _, listener in self._listeners.values():
            if isinstance(listener, UdpListener):
                listener.sweep()

    def _frontends(self) -> dict[_Frontend, ServicePortName]:
        """Who listens where; where two want the same, the first by name has it. Without endpoints nobody listens: refused."""
        wanted: dict[_Frontend, ServicePortName] = {}
        for name, served in sorted(self._served.items()):
            port = served.port
            if name.protocol == "SCTP":
                continue
            if port.internal_endpoints:
                wanted.setdefault((name.protocol, port.cluster_ip, name.port), name)
            if port.cluster_endpoints:
                for address in port.external_ips:
                    wanted.setdefault((name.protocol, address, name.port), name)
                if port.node_port:
                    for address in self._node_addresses:
                        wanted.setdefault((name.protocol, address, port.node_port), name)
        return wanted

    async def _listen(self) -> None:
        wanted = self._frontends()
        for frontend, (name, listener) in list(self._listeners.items()):
            if wanted.get(frontend) != name:
                listener.close()
                del self._listeners[frontend]
        problems = []
        for frontend, name in wanted.items():
            if frontend in self._listeners:
                continue
            protocol, address, port = frontend
            assert self._group is not None
            choose = self._chooser(name, address)
            listener = TcpListener(choose, self._group) if protocol == "TCP" else UdpListener(choose)
            try:
                await listener.open(address, port)
            except OSError as error:
                problems.append(f"{name} cannot listen on {address}:{port}: {error.strerror or error}")
                continue
            self._listeners[frontend] = (name, listener)
        if problems:
            more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
            raise ProxyFailed("; ".join(problems[:3]) + more)

    def _chooser(self, name: ServicePortName, address: str) -> Callable[[str, str], Balancer]:
        def choose(client: str, own: str) -> Balancer:
            served = self._served.get(name)
            if served is None:
                return Balancer()  # gone while the connection waited: nobody takes it
            if address == served.port.cluster_ip:
                return served.local if served.port.internal_local else served.cluster
            if not served.port.external_local or self._is_inside(client, own):
                return served.cluster
            return served.local

        return choose

    def _is_inside(self, client: str, own: str) -> bool:
        """A pod or this node itself: externalTrafficPolicy Local is for clients outside."""
        return client == own or (self._cluster is not None and ip_address(client) in self._cluster)
