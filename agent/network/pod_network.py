"""The node's part of the pod network: a Docker bridge on its pod CIDR, routes to the other nodes' pods, forwarding.

Started by `agent.app`; the kubelet waits for `ready` (agent.kubelet.network.PodNetwork) and DNS listens on `gateway`. Level-
triggered: everything is looked at again on each change of the orders, on link events and every `_PERIOD` seconds, because
Docker and firewalls rewrite their rules when they restart. Nothing is removed when the agent stops; `teardown` removes what is
marked as ours.

Nodes have to share an L2 (a node that is not on-link is logged and listed in `unreachable_nodes`); VXLAN is not built yet.
"""

import asyncio
import logging
from typing import Protocol

from agent.desired import DesiredState
from agent.network import kernel
from agent.network.firewall import Firewall
from agent.network.link_monitor import LinkMonitor
from agent.network.plan import NetworkProblem, Plan, check_overlap, peer_routes, plan_of
from agent.reporter import Reporter
from agent.runtime.errors import RuntimeFailure
from proto.messages import NodeOrder

_log = logging.getLogger(__name__)

NETWORK = "wherry"
BRIDGE = "wherry0"

_PERIOD = 10.0
_RETRY_FIRST, _RETRY_LAST = 0.5, 10.0
#: A pod's start is several link events; look once.
_SETTLE_SECONDS = 0.1


class NetworkRuntime(Protocol):
    """What this part needs of the container runtime."""

    async def ensure_network(self, name: str, *, subnet: str, gateway: str, bridge: str, mtu: int) -> int:
        """Make a bridge network without masquerading, or keep it when it is as asked or only its MTU is not and pods use it.

        Returns its MTU. Raises RuntimeFailure.
        """
        ...


class PodNetwork:
    """Implements agent.kubelet.network.PodNetwork."""

    def __init__(self, *, node_name: str, desired: DesiredState, runtime: NetworkRuntime, reporter: Reporter) -> None:
        self._node_name = node_name
        self._desired = desired
        self._runtime = runtime
        self._reporter = reporter
        self._firewall = Firewall(BRIDGE)
        self._ready = asyncio.Event()
        self._problem = "the node has no pod CIDR yet"
        self._plan: Plan | None = None
        self._mtu = 0
        #: Pod CIDR of a node → why there is no route to it.
        self.unreachable_nodes: dict[str, str] = {}

    async def ready(self) -> None:
        await self._ready.wait()

    @property
    def problem(self) -> str:
        return self._problem

    @property
    def name(self) -> str:
        return NETWORK

    @property
    def gateway(self) -> str:
        """The node's address on the bridge; "" before the pod CIDR is known."""
        return str(self._plan.gateway) if self._plan else ""

    @property
    def cluster_dns(self) -> str:
        order = self._desired.node
        return order.cluster_dns if order is not None and order.cluster_dns else self.gateway

    @property
    def cluster_domain(self) -> str:
        return self._desired.node.cluster_domain if self._desired.node else ""

    async def run(self) -> None:
        """Keep the network as ordered until cancelled."""
        with LinkMonitor() as links:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch_ports(links), name="pod network ports")
                await self._keep()

    async def teardown(self) -> None:
        """Remove what is marked as ours on this node, except the Docker network. Idempotent. Raises NetworkProblem."""
        await self._firewall.remove()
        await kernel.remove_routes()

    async def _keep(self) -> None:
        changes = self._desired.subscribe("node", "nodes")
        retry = _RETRY_FIRST
        while True:
            order = self._desired.node
            wait: float | None = None
            if order is not None and order.pod_cidr:
                try:
                    await self._reconcile(order)
                except (NetworkProblem, RuntimeFailure) as error:
                    self._fail(str(error))
                    wait, retry = retry, min(retry * 2, _RETRY_LAST)
                else:
                    self._succeed()
                    wait, retry = _PERIOD, _RETRY_FIRST
            try:
                async with asyncio.timeout(wait):
                    await changes.changes()
            except TimeoutError:
                continue

    async def _reconcile(self, order: NodeOrder) -> None:
        plan = plan_of(order)
        check_overlap(plan, await kernel.host_networks(BRIDGE))
        if self._mtu == 0:
            # Kept for the run: a bridge in use cannot follow an uplink that changes.
            self._mtu = await kernel.uplink_mtu()
        subnet, gateway = str(plan.pod_cidr), str(plan.gateway)
        mtu = await self._runtime.ensure_network(NETWORK, subnet=subnet, gateway=gateway, bridge=BRIDGE, mtu=self._mtu)
        if mtu != self._mtu:
            _log.warning("the pod network keeps MTU %d while pods use it; the uplink has %d", mtu, self._mtu)
            self._mtu = mtu
        self._plan = plan
        bridge_netfilter = await kernel.enable_forwarding()
        await self._firewall.ensure(plan, bridge_netfilter=bridge_netfilter)
        unreachable = await kernel.set_routes(
            BRIDGE,
            via=peer_routes(plan, self._node_name, self._desired.nodes),
            # So that the node reaches Services even without a default route.
            on_bridge={str(plan.service_cidr): gateway},
        )
        for cidr in unreachable.keys() - self.unreachable_nodes.keys():
            _log.warning("pods of %s cannot be reached from here: %s", cidr, unreachable[cidr])
        self.unreachable_nodes = unreachable
        await kernel.set_hairpin(BRIDGE)

    def _succeed(self) -> None:
        if not self._ready.is_set():
            _log.info(
                "the pod network is ready: %s on bridge %s, MTU %d", self._plan and self._plan.pod_cidr, BRIDGE, self._mtu
            )
        self._problem = ""
        self._ready.set()

    def _fail(self, problem: str) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        self._ready.clear()
        _log.error("the pod network is not ready: %s", problem)
        self._reporter.event(None, "Warning", "NetworkNotReady", problem)

    async def _watch_ports(self, links: LinkMonitor) -> None:
        while True:
            await links.changed.wait()
            await asyncio.sleep(_SETTLE_SECONDS)
            links.changed.clear()
            if self._plan is not None:
                await kernel.set_hairpin(BRIDGE)
