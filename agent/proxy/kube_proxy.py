"""kube-proxy: keeps the node's way to Services as the desired state says. Started by `agent.app`.

Changes come as coalesced keys; only the Services they touch are computed and synced. A full sync follows at the start, after a
failure and from time to time, and mends what something else changed. Nothing is touched before the node's order is known: an
agent that starts without master and checkpoint leaves the rules of its last run in place.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Literal

from prometheus_client import REGISTRY, CollectorRegistry

from agent.desired import Change, DesiredState, ObjectKey, Subscription
from agent.proxy.backend import Backend, ProxyFailed
from agent.proxy.metrics import ProxyMetrics
from agent.proxy.model import ServicePort, ServicePortName
from agent.proxy.nft_command import NftFailed, nft
from agent.proxy.nft_rules import NftOptions, base
from agent.proxy.nftables import NftablesBackend
from agent.proxy.service_map import ServiceMap
from agent.proxy.userspace import UserspaceBackend

_log = logging.getLogger(__name__)

Mode = Literal["nftables", "userspace", "auto"]

#: Full syncs are spread so that checking never takes more than a fiftieth of the time.
_CHECK_SHARE = 50
_RETRY_FIRST, _RETRY_LAST = 0.5, 30.0


class KubeProxy:
    """`node_port_addresses`: CIDRs of the node's addresses that answer on node ports; empty for all, 127.0.0.1 too.

    `sync_period`: seconds between full syncs, as kube-proxy's option of that name.
    """

    def __init__(
        self,
        *,
        node_name: str,
        desired: DesiredState,
        mode: Mode = "auto",
        node_port_addresses: Sequence[str] = (),
        sync_period: float = 30.0,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._desired = desired
        self._mode: Mode = mode
        self._node_port_addresses = tuple(node_port_addresses)
        self._sync_period = sync_period
        self._services = ServiceMap(node_name)
        self._metrics = ProxyMetrics(registry)
        self._known: dict[ObjectKey, set[ServicePortName]] = {}
        self._problem = "not synced yet"

    @property
    def problem(self) -> str:
        """Why Services may not work on this node; empty when they do."""
        return self._problem

    async def run(self) -> None:
        """Keep Services working until cancelled."""
        changes = self._desired.subscribe("services", "endpointslices", "node")
        while self._desired.node is None:
            await changes.changes()
        backend = await self._backend()
        _log.info("Services are served in %s mode", backend.mode)
        async with asyncio.TaskGroup() as group:
            group.create_task(backend.run(), name="proxy backend")
            await self._keep_synced(backend, changes)

    async def _keep_synced(self, backend: Backend, changes: Subscription) -> None:
        retry = _RETRY_FIRST
        pending: frozenset[Change] = frozenset()
        next_full = 0.0
        while True:
            started = time.monotonic()
            try:
                if started >= next_full or any(change.resource == "node" for change in pending):
                    await self._sync_all(backend)
                    ended = time.monotonic()
                    next_full = ended + max(self._sync_period, _CHECK_SHARE * (ended - started))
                else:
                    await self._sync(backend, pending)
                self._problem, retry = "", _RETRY_FIRST
            except ProxyFailed as error:
                self._metrics.failures.inc()
                self._problem = str(error)
                _log.error("Services could not be synced, trying again in %.1f s: %s", retry, error)
                next_full = 0.0
                await asyncio.sleep(retry)
                retry = min(retry * 2, _RETRY_LAST)
                continue
            pending = frozenset()
            try:
                async with asyncio.timeout(max(next_full - time.monotonic(), 0)):
                    pending = await changes.changes()
                    self._metrics.last_queued.set_to_current_time()
            except TimeoutError:
                continue

    async def teardown(self) -> None:
        """Remove what any mode made on this node; for `wherry-agent reset`. Raises ProxyFailed."""
        for backend in (NftablesBackend(options=self._options), UserspaceBackend(options=self._options)):
            await backend.teardown()

    def _options(self) -> NftOptions:
        order = self._desired.node
        return NftOptions(
            cluster_cidr=order.cluster_cidr if order else "",
            service_cidr=order.service_cidr if order else "",
            node_port_addresses=self._node_port_addresses,
        )

    async def _backend(self) -> Backend:
        if self._mode == "userspace":
            return UserspaceBackend(options=self._options)
        if self._mode == "auto":
            try:
                await nft("-c", "-f", "-", stdin=base(self._options()))
            except NftFailed as error:
                _log.warning("nftables cannot be used, Services are served in userspace: %s", error)
                return UserspaceBackend(options=self._options)
        return NftablesBackend(options=self._options)

    async def _sync_all(self, backend: Backend) -> None:
        with self._metrics.sync_duration.time(), self._metrics.full_sync_duration.time():
            self._services.rebuild(self._desired)
            ports = self._services.all_ports()
            await backend.sync_all(ports)
        self._known.clear()
        for port in ports:
            self._known.setdefault((port.name.namespace, port.name.name), set()).add(port.name)
        self._metrics.last_sync.set_to_current_time()

    async def _sync(self, backend: Backend, changes: frozenset[Change]) -> None:
        services = [(change.namespace, change.name) for change in changes if change.resource == "services"]
        slices = [(change.namespace, change.name) for change in changes if change.resource == "endpointslices"]
        self._metrics.service_changes.inc(len(services))
        self._metrics.endpoint_changes.inc(len(slices))
        wanted: list[ServicePort] = []
        gone: list[ServicePortName] = []
        changed = self._services.update(self._desired, services=services, slices=slices)
        for key in sorted(changed):
            ports = self._services.ports(key)
            wanted += ports.values()
            gone += sorted(self._known.get(key, set()) - set(ports))
        if wanted or gone:
            with self._metrics.sync_duration.time():
                await backend.sync(wanted, gone)
        for key in changed:
            names = set(self._services.ports(key))
            if names:
                self._known[key] = names
            else:
                self._known.pop(key, None)
        self._metrics.last_sync.set_to_current_time()
