"""The node lifecycle controller: says which nodes are silent, keeps the scheduler off them, and has their pods evicted.

Once per period, for each node:

    heartbeats ──► silent for too long ──► conditions Unknown, its pods not ready
    conditions ──► NoSchedule taints, at once
    not ready  ──► NoExecute taint, one node per token of its zone's bucket (`nodes.disruption` sets the rates)
    ready      ──► NoExecute taints off, at once

When no zone has a ready node, the fault is taken to be on this side: nothing is evicted and the NoExecute taints come off;
when that ends, nodes get a full grace period again. Evicting itself is the taint eviction controller's business; turning
conditions back is the node's own, through its status.
Source: https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller
"""

import asyncio
import logging

import msgspec
from lightkube.models.core_v1 import NodeStatus, Taint
from lightkube.resources.core_v1 import Node, Pod

from master.client.errors import StatusError
from master.controllers.context import ControllerContext
from master.controllers.nodes.conditions import readiness, silenced
from master.controllers.nodes.disruption import Rates, TokenBucket, eviction_rates, zone_of
from master.controllers.nodes.taints import (
    as_json,
    evicting_key,
    has_eviction_taint,
    taints_of,
    with_eviction_taint,
    with_scheduling_taints,
)
from master.controllers.objects.metadata import meta, name_of, namespace_of, terminating, uid_of, whole_seconds
from master.controllers.objects.pods import is_ready, node_of
from proto.k8s.time import format_time

_log = logging.getLogger(__name__)

_BY_NODE = "node-lifecycle-node"


class NodeLifecycleController:
    """Looks at all nodes once per period."""

    name = "node-lifecycle"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._heartbeats = context.heartbeats
        self._settings = settings = context.settings
        self._events = context.recorder("node-controller")
        self._rates = Rates(
            normal=settings.node_eviction_rate,
            secondary=settings.secondary_node_eviction_rate,
            unhealthy_threshold=settings.unhealthy_threshold,
            large_cluster_size=settings.large_cluster_size,
        )
        self._nodes = context.informers.of(Node)
        self._nodes.add_handler(self._on_node)
        self._pods = context.informers.of(Pod)
        self._pods.add_index(_BY_NODE, _node_of_pod)
        self._watched_since: dict[str, float] = {}
        """Since when (monotonic) each node, by uid, is watched: its first grace period starts there."""
        self._known_ready: dict[str, bool] = {}
        self._marked: set[str] = set()
        """Nodes, by uid, whose pods were marked not ready since the node fell out."""
        self._buckets: dict[str, TokenBucket] = {}
        self._stopped = False
        """Whether all evicting is stopped because no node is ready."""
        self._evict_after = 0.0

    async def run(self) -> None:
        await self._nodes.synced()
        await self._pods.synced()
        while True:
            await self.monitor()
            await asyncio.sleep(self._settings.node_monitor_period)

    def _on_node(self, old: Node | None, new: Node | None) -> None:
        if old is None and new is not None:
            message = f"Node {name_of(new)} event: Registered Node {name_of(new)} in Controller"
            self._events.event(new, "Normal", "RegisteredNode", message)
        elif new is None and old is not None:
            message = f"Node {name_of(old)} event: Removing Node {name_of(old)} from Controller"
            self._events.event(old, "Normal", "RemovingNode", message)

    async def monitor(self) -> None:
        """One look at all nodes. What fails for one node is tried again at the next look."""
        now = self._clock.monotonic()
        nodes = sorted(self._nodes.list(), key=name_of)
        present = {uid_of(node) for node in nodes}
        self._watched_since = {uid_of(node): self._watched_since.get(uid_of(node), now) for node in nodes}
        self._known_ready = {uid: ready for uid, ready in self._known_ready.items() if uid in present}
        self._marked &= present
        self._set_rates(nodes, now)
        for node in nodes:
            try:
                await self._monitor_node(node, now)
            except StatusError as error:
                level = logging.DEBUG if error.code in {404, 409} else logging.WARNING
                _log.log(level, "node was not updated: %s", error, extra={"node": name_of(node)})

    def _set_rates(self, nodes: list[Node], now: float) -> None:
        zones: dict[str, tuple[int, int]] = {}
        for node in nodes:
            ready, not_ready = zones.get(zone_of(node), (0, 0))
            well = readiness(node) == "True" and not self._is_silent(node, now)
            zones[zone_of(node)] = (ready + well, not_ready + (not well))
        rates = eviction_rates(zones, self._rates)
        stopped = bool(nodes) and not any(ready for ready, _ in zones.values())
        if stopped and not self._stopped:
            _log.warning("no node is ready: nothing is evicted", extra={"nodes": len(nodes)})
        elif self._stopped and not stopped:
            _log.info("a node is ready again: evicting resumes after the grace period")
            self._evict_after = now + self._settings.node_monitor_grace
        self._stopped = stopped
        for zone, rate in rates.items():
            bucket = self._buckets.get(zone)
            if bucket is None:
                self._buckets[zone] = TokenBucket(rate, now)
            else:
                bucket.set_rate(rate, now)
        self._buckets = {zone: bucket for zone, bucket in self._buckets.items() if zone in rates}

    def _is_silent(self, node: Node, now: float) -> bool:
        since = self._watched_since[uid_of(node)]
        seen = self._heartbeats.last_seen(name_of(node))
        if now - max(since, since if seen is None else seen) > self._settings.node_monitor_grace:
            return True
        suspected = self._heartbeats.suspected(name_of(node))
        return suspected is not None and now - max(since, suspected) > self._settings.node_last_will_grace

    async def _monitor_node(self, node: Node, now: float) -> None:
        if self._is_silent(node, now):
            node = await self._silence(node)
        await self._note_readiness(node)
        await self._taint(node, now)

    async def _silence(self, node: Node) -> Node:
        conditions = silenced(node, whole_seconds(self._clock.now()))
        if conditions is None:
            return node
        status = msgspec.structs.replace(node.status or NodeStatus(), conditions=conditions)
        written = await self._client.replace_status(msgspec.structs.replace(node, status=status))
        _log.info("node is silent", extra={"node": name_of(node)})
        return written

    async def _note_readiness(self, node: Node) -> None:
        uid, name = uid_of(node), name_of(node)
        ready = readiness(node) == "True"
        if self._known_ready.get(uid) and not ready:
            self._events.event(node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        if ready:
            self._marked.discard(uid)
        elif uid not in self._marked:
            for pod in list(self._pods.by_index(_BY_NODE, name)):
                if self._is_back(node):
                    break  # it has the last word on its pods
                await self._mark_not_ready(pod)
            self._marked.add(uid)
        self._known_ready[uid] = ready

    def _is_back(self, node: Node) -> bool:
        """Whether the node, taken as not ready, is ready meanwhile. The cache may also be older than what was written."""
        now = self._nodes.get("", name_of(node))
        return (
            now is not None
            and readiness(now) == "True"
            and int(meta(now).resourceVersion or 0) > int(meta(node).resourceVersion or 0)
        )

    async def _mark_not_ready(self, pod: Pod) -> None:
        """Services stop sending to the pod; its node turns the condition back when it returns."""
        if not is_ready(pod):
            return
        at = format_time(self._clock.now())
        condition = {"type": "Ready", "status": "False", "lastTransitionTime": at}
        patch = {"metadata": {"uid": uid_of(pod)}, "status": {"conditions": [condition]}}
        name, namespace = name_of(pod), namespace_of(pod)
        try:
            await self._client.patch(
                Pod, name, namespace, patch, patch_type="application/strategic-merge-patch+json", subresource="status"
            )
        except StatusError as error:
            if error.code not in {404, 409}:
                raise
        else:
            self._events.event(pod, "Warning", "NodeNotReady", "Node is not ready")

    async def _taint(self, node: Node, now: float) -> None:
        if terminating(node):
            return
        at = whole_seconds(self._clock.now())
        before = taints_of(node)
        taints = with_scheduling_taints(node, before, at)
        taints = self._with_eviction_taint(node, taints, now)
        if taints == before:
            return
        patch = {
            "metadata": {"uid": uid_of(node), "resourceVersion": meta(node).resourceVersion},
            "spec": {"taints": as_json(taints) or None},
        }
        await self._client.patch(Node, name_of(node), "", patch)

    def _with_eviction_taint(self, node: Node, taints: list[Taint], now: float) -> list[Taint]:
        key = None if self._stopped else evicting_key(node)
        if key is None:
            return with_eviction_taint(taints, None, self._clock.now()) if has_eviction_taint(taints) else taints
        if has_eviction_taint(taints, key):
            return taints
        allowed = has_eviction_taint(taints) or (now >= self._evict_after and self._buckets[zone_of(node)].take(now))
        return with_eviction_taint(taints, key, whole_seconds(self._clock.now())) if allowed else taints


def _node_of_pod(pod: Pod) -> list[str]:
    node = node_of(pod)
    return [node] if node else []
