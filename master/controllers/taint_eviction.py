"""The taint eviction controller: deletes pods that do not tolerate their node's NoExecute taints, when their time is up.

A deadline is computed anew each time from what is stored (the taint's timeAdded, the pod's tolerationSeconds), so a restarted
master neither forgets a pod nor grants it more time. Whether a node deserves its taints is not decided here.
Source: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions
"""

from datetime import datetime

from lightkube.models.core_v1 import Taint, Toleration
from lightkube.resources.core_v1 import Node, Pod

from master.client.errors import StatusError
from master.client.protocol import DeleteOptions
from master.controllers.context import ControllerContext
from master.controllers.nodes.taints import eviction_time, taints_of
from master.controllers.objects.disruption import disruption_patch
from master.controllers.objects.metadata import Key, created, key_of, name_of, namespace_of, terminating, uid_of
from master.controllers.objects.pods import is_finished, node_of
from master.informer import WorkQueue, run_workers

_BY_NODE = "taint-eviction-node"
_REASON = "TaintManagerEviction"


class TaintEvictionController:
    """Reconciles pods by key."""

    name = "taint-eviction-controller"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._workers = context.settings.workers
        self._events = context.recorder("taint-eviction-controller")
        self._pods = context.informers.of(Pod)
        self._nodes = context.informers.of(Node)
        self._pods.add_index(_BY_NODE, _node_of_pod)
        self._queue: WorkQueue[Key] = WorkQueue(self.name)
        self._seen: dict[tuple[str, str, str | None], datetime] = {}
        """When NoExecute taints without a timeAdded (`kubectl taint` sets none) were seen first, by node, key and value."""
        self._pending: set[Key] = set()
        """Pods with a deadline, so that its end is announced once."""
        self._pods.add_handler(self._on_pod)
        self._nodes.add_handler(self._on_node)

    async def run(self) -> None:
        await self._pods.synced()
        await self._nodes.synced()
        await run_workers(self._queue, self._reconcile, workers=self._workers, name=self.name)

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        if new is None:
            if old is not None:
                self._pending.discard(key_of(old))
        elif node_of(new) and (old is None or node_of(old) != node_of(new) or _tolerations(old) != _tolerations(new)):
            self._queue.add(key_of(new))

    def _on_node(self, old: Node | None, new: Node | None) -> None:
        node = new or old
        if node is None:
            return
        before, after = _evicting(old), _evicting(new)
        if before == after:
            return
        name, now = name_of(node), self._clock.now()
        present = {(name, taint.key, taint.value) for taint in after}
        self._seen = {key: at for key, at in self._seen.items() if key[0] != name or key in present}
        for key in present:
            self._seen.setdefault(key, now)
        for pod in self._pods.by_index(_BY_NODE, name):
            self._queue.add(key_of(pod))

    async def _reconcile(self, key: Key) -> None:
        pod = self._pods.get(*key)
        if pod is None or terminating(pod) or is_finished(pod):
            self._pending.discard(key)
            return
        now = self._clock.now()
        deadline = self._deadline(pod, now)
        if deadline is None:
            if key in self._pending:
                self._pending.discard(key)
                self._events.event(pod, "Normal", _REASON, f"Cancelling deletion of Pod {key[0]}/{key[1]}")
        elif deadline > now:
            self._pending.add(key)
            self._queue.add_after(key, (deadline - now).total_seconds())
        else:
            self._pending.discard(key)
            await self._evict(pod)

    def _deadline(self, pod: Pod, now: datetime) -> datetime | None:
        node = self._nodes.get("", node_of(pod)) if node_of(pod) else None
        if node is None:
            return None
        times = [
            eviction_time(
                [taint],
                _tolerations(pod),
                seen=self._seen.get((name_of(node), taint.key, taint.value), now),
                not_before=created(pod),
            )
            for taint in _evicting(node)
        ]
        return min((at for at in times if at is not None), default=None)

    async def _evict(self, pod: Pod) -> None:
        name, namespace = name_of(pod), namespace_of(pod)
        self._events.event(pod, "Normal", _REASON, f"Marking for deletion Pod {namespace}/{name}")
        message = "Taint manager: deleting due to NoExecute taint"
        patch = disruption_patch(pod, "DeletionByTaintManager", message, self._clock.now())
        try:
            await self._client.patch(
                Pod, name, namespace, patch, patch_type="application/strategic-merge-patch+json", subresource="status"
            )
            await self._client.delete(Pod, name, namespace, DeleteOptions(uid=uid_of(pod)))
        except StatusError as error:
            if error.code != 404:
                raise


def _evicting(node: Node | None) -> list[Taint]:
    return [] if node is None else [taint for taint in taints_of(node) if taint.effect == "NoExecute"]


def _tolerations(pod: Pod) -> list[Toleration]:
    return list((pod.spec.tolerations if pod.spec else None) or ())


def _node_of_pod(pod: Pod) -> list[str]:
    node = node_of(pod)
    return [node] if node else []
