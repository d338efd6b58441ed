"""The pod garbage collector: removes pods that nobody else will.

- finished ones beyond a threshold, evicted ones first, then the oldest;
- those bound to a node that no longer exists, after a quarantine and a look at the API itself;
- those being deleted that were never bound to a node;
- those being deleted on a node that is not ready and that an administrator has marked out of service.

It looks at everything once per period, as kube-controller-manager does: none of this is urgent.
"""

import asyncio
import logging
from collections.abc import Sequence

from lightkube.resources.core_v1 import Node, Pod

from master.client.errors import StatusError
from master.client.protocol import DeleteOptions
from master.controllers.context import ControllerContext
from master.controllers.nodes.conditions import readiness
from master.controllers.nodes.taints import OUT_OF_SERVICE, taints_of
from master.controllers.objects.disruption import disruption_patch
from master.controllers.objects.metadata import created, name_of, namespace_of, terminating, uid_of
from master.controllers.objects.pods import is_finished, node_of, phase_of

_log = logging.getLogger(__name__)


class PodGarbageCollector:
    """Looks at all pods once per period."""

    name = "pod-garbage-collector"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._settings = context.settings
        self._pods = context.informers.of(Pod)
        self._nodes = context.informers.of(Node)
        self._missing_since: dict[str, float] = {}
        """Nodes that pods name and that the cache does not have, since when (monotonic)."""

    async def run(self) -> None:
        await self._pods.synced()
        await self._nodes.synced()
        while True:
            await self.collect()
            await asyncio.sleep(self._settings.pod_gc_period)

    async def collect(self) -> None:
        """One look at all pods."""
        pods = self._pods.list()
        for pod in surplus_finished(pods, self._settings.terminated_pod_threshold):
            await self._delete(pod, None)
        gone = await self._gone_nodes({node for pod in pods if (node := node_of(pod))})
        for pod in pods:
            node = node_of(pod)
            if node in gone:
                await self._delete(pod, "PodGC: node no longer exists")
            elif (terminating(pod) and not node) or (terminating(pod) and self._is_out_of_service(node)):
                await self._delete(pod, None)

    async def _gone_nodes(self, named: set[str]) -> set[str]:
        """The named nodes that have been missing for the whole quarantine, and that the API does not know either."""
        now = self._clock.monotonic()
        missing = {node for node in named if self._nodes.get("", node) is None}
        self._missing_since = {node: self._missing_since.get(node, now) for node in missing}
        gone: set[str] = set()
        for node, since in self._missing_since.items():
            if now - since >= self._settings.pod_gc_quarantine:
                try:
                    await self._client.get(Node, node)
                except StatusError as error:
                    if error.code == 404:
                        gone.add(node)
        return gone

    def _is_out_of_service(self, node: str) -> bool:
        found = self._nodes.get("", node)
        return (
            found is not None and readiness(found) != "True" and any(taint.key == OUT_OF_SERVICE for taint in taints_of(found))
        )

    async def _delete(self, pod: Pod, why: str | None) -> None:
        """Remove the pod now; one that still counts as running is marked failed first, for its controller to see."""
        name, namespace = name_of(pod), namespace_of(pod)
        try:
            if not is_finished(pod):
                patch = disruption_patch(pod, "DeletionByPodGC", why, self._clock.now(), phase="Failed")
                await self._client.patch(
                    Pod, name, namespace, patch, patch_type="application/strategic-merge-patch+json", subresource="status"
                )
            options = DeleteOptions(grace_period_seconds=0, uid=uid_of(pod))
            await self._client.delete(Pod, name, namespace, options)
        except StatusError as error:
            if error.code not in {404, 409}:
                # The next look tries again.
                fields = {"pod": f"{namespace}/{name}", "uid": uid_of(pod)}
                _log.warning("pod was not collected: %s", error, extra=fields)


def surplus_finished(pods: Sequence[Pod], threshold: int) -> list[Pod]:
    """The finished pods beyond the threshold (0: no limit), those first that are least worth keeping."""
    finished = [pod for pod in pods if is_finished(pod)]
    surplus = len(finished) - threshold
    if threshold <= 0 or surplus <= 0:
        return []
    finished.sort(key=lambda pod: (not _was_evicted(pod), created(pod), namespace_of(pod), name_of(pod)))
    return finished[:surplus]


def _was_evicted(pod: Pod) -> bool:
    return phase_of(pod) == "Failed" and pod.status is not None and pod.status.reason == "Evicted"
