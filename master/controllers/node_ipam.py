"""The node IPAM controller: gives each node a pod CIDR of its own out of the cluster's.

One worker, and what it has given counts as taken before the cache shows it, so no share is ever given twice. A share is free
again when its node is deleted.
"""

from ipaddress import IPv4Network

from lightkube.resources.core_v1 import Node

from master.client.errors import StatusError
from master.controllers.context import ControllerContext
from master.controllers.nodes.cidrs import CidrSet
from master.controllers.objects.metadata import name_of, terminating, uid_of
from master.informer import Retry, WorkQueue, run_workers

_AGAIN = 30.0
"""Seconds until a node that got nothing is tried again; a deleted node tries all of them at once."""


class NodeIpamController:
    """Reconciles nodes by name."""

    name = "node-ipam"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._events = context.recorder("node-ipam-controller")
        self._nodes = context.informers.of(Node)
        self._cidrs = CidrSet(context.settings.cluster_cidr, context.settings.node_cidr_mask_size)
        self._given: dict[str, IPv4Network] = {}
        """By the node's uid: what was written and may not show in the cache yet."""
        self._queue: WorkQueue[str] = WorkQueue(self.name)
        self._nodes.add_handler(self._on_node)

    async def run(self) -> None:
        await self._nodes.synced()
        await run_workers(self._queue, self._reconcile, workers=1, name=self.name)

    def _on_node(self, old: Node | None, new: Node | None) -> None:
        if new is not None:
            if not pod_cidrs(new):
                self._queue.add(name_of(new))
            else:
                self._given.pop(uid_of(new), None)
        if old is not None and (new is None or uid_of(new) != uid_of(old)):
            self._given.pop(uid_of(old), None)
            for node in self._nodes.list():
                if not pod_cidrs(node):
                    self._queue.add(name_of(node))

    async def _reconcile(self, name: str) -> None:
        node = self._nodes.get("", name)
        if node is None or terminating(node) or pod_cidrs(node):
            return
        cidr = self._given.get(uid_of(node)) or self._free()
        if cidr is None:
            self._events.event(node, "Normal", "CIDRNotAvailable", f"Node {name} status is now: CIDRNotAvailable")
            raise Retry(_AGAIN, "no pod CIDR is free")
        self._given[uid_of(node)] = cidr
        patch = {"metadata": {"uid": uid_of(node)}, "spec": {"podCIDR": str(cidr), "podCIDRs": [str(cidr)]}}
        try:
            await self._client.patch(Node, name, "", patch)
        except StatusError as error:
            if error.code in {404, 409, 422}:
                # The node is gone, is another one by now, or got a CIDR from somebody else: the cache will tell.
                self._given.pop(uid_of(node), None)
            if error.code == 404:
                return
            raise

    def _free(self) -> IPv4Network | None:
        taken = [cidr for node in self._nodes.list() for cidr in pod_cidrs(node)]
        return self._cidrs.first_free([*taken, *self._given.values()])


def pod_cidrs(node: Node) -> list[IPv4Network]:
    """The node's IPv4 pod CIDRs."""
    spec = node.spec
    if spec is None:
        return []
    texts = spec.podCIDRs or ([spec.podCIDR] if spec.podCIDR else [])
    return [IPv4Network(text, strict=False) for text in texts if ":" not in text]
