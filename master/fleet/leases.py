"""Renews the Lease of every node that lives, in kube-node-lease, as its kubelet would.

Source: https://kubernetes.io/docs/concepts/architecture/leases/#node-heart-beats
"""

import asyncio
import logging
import time
from datetime import UTC, datetime

from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.meta_v1 import ObjectMeta, OwnerReference
from lightkube.resources.coordination_v1 import Lease

from master.client.errors import StatusError
from master.client.protocol import Client
from master.fleet.liveness import Liveness
from master.fleet.view import FleetView
from proto.k8s.time import format_micro_time

log = logging.getLogger(__name__)

NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
RENEW_SECONDS = 10.0


class Leases:
    """See the module."""

    def __init__(self, client: Client, liveness: Liveness, view: FleetView) -> None:
        self._client = client
        self._liveness = liveness
        self._view = view

    async def run(self) -> None:
        """Renew until cancelled, spread over the period."""
        while True:
            nodes = self._liveness.heard_since(time.monotonic() - RENEW_SECONDS)
            if not nodes:
                await asyncio.sleep(RENEW_SECONDS / 4)
                continue
            for node in nodes:
                if self._view.node(node) is not None:
                    await self._renew_safely(node)
                await asyncio.sleep(RENEW_SECONDS / len(nodes))

    async def _renew_safely(self, node: str) -> None:
        try:
            await self._renew(node)
        except StatusError as error:
            log.warning("cannot renew a node's lease", extra={"node": node, "reason": error.reason})

    async def _renew(self, node: str) -> None:
        now = format_micro_time(datetime.now(UTC))
        patch = {"spec": {"holderIdentity": node, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now}}
        try:
            await self._client.patch(Lease, node, NAMESPACE, patch)
        except StatusError as error:
            if error.code != 404:
                raise
            await self._create(node)

    async def _create(self, node: str) -> None:
        owner = self._view.node(node)
        owners = None
        if owner is not None and owner.metadata is not None and owner.metadata.uid:
            owners = [OwnerReference(apiVersion="v1", kind="Node", name=node, uid=owner.metadata.uid)]
        await self._client.create(
            Lease(
                metadata=ObjectMeta(name=node, namespace=NAMESPACE, ownerReferences=owners),
                spec=LeaseSpec(holderIdentity=node, leaseDurationSeconds=LEASE_SECONDS, renewTime=datetime.now(UTC)),
            )
        )
