"""PVC protection: a claim that is deleted stays until no pod on a node uses it; then its finalizer comes off.

A pod that no node has yet does not count: nodes start no pod with a claim that is being deleted.
Source: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection
"""

from collections.abc import Iterator

from lightkube.resources.core_v1 import PersistentVolumeClaim, Pod

from master.controllers.context import ControllerContext
from master.controllers.objects.metadata import Key, key_of, name_of, namespace_of, terminating, uid_of
from master.controllers.objects.pods import is_finished, node_of
from master.controllers.objects.protection import is_due, settle
from master.informer import WorkQueue, run_workers

FINALIZER = "kubernetes.io/pvc-protection"


class PersistentVolumeClaimProtection:
    """Reconciles claims by namespace and name."""

    name = "persistentvolumeclaim-protection"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._workers = context.settings.workers
        self._claims = context.informers.of(PersistentVolumeClaim)
        self._pods = context.informers.of(Pod)
        self._queue: WorkQueue[Key] = WorkQueue(self.name)
        self._claims.add_handler(self._on_claim)
        self._pods.add_handler(self._on_pod)

    async def run(self) -> None:
        await self._claims.synced()
        await self._pods.synced()
        await run_workers(self._queue, self._reconcile, workers=self._workers, name=self.name)

    def _on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        if new is not None and is_due(new, FINALIZER):
            self._queue.add(key_of(new))

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        if old is None or (new is not None and is_finished(new) == is_finished(old) and uid_of(new) == uid_of(old)):
            return
        for name in _claims_of(old):
            self._queue.add((namespace_of(old), name))

    async def _reconcile(self, key: Key) -> None:
        claim = self._claims.get(*key)
        if claim is None or not is_due(claim, FINALIZER):
            return
        if not (terminating(claim) and await self._is_used(claim)):
            await settle(self._client, claim, FINALIZER)

    async def _is_used(self, claim: PersistentVolumeClaim) -> bool:
        """By the cache, and, when that says no, by the API: the cache may lag behind a pod that a node has just got."""
        namespace, name = key_of(claim)
        if any(_uses(pod, name) for pod in self._pods.list(namespace)):
            return True
        return any(_uses(pod, name) for pod in await self._client.list(Pod, namespace))


def _uses(pod: Pod, claim: str) -> bool:
    return bool(node_of(pod)) and claim in _claims_of(pod)


def _claims_of(pod: Pod) -> Iterator[str]:
    """The claims that a pod names, and those made for its ephemeral volumes until it has finished."""
    for volume in (pod.spec.volumes if pod.spec else None) or ():
        if volume.persistentVolumeClaim is not None:
            yield volume.persistentVolumeClaim.claimName
        elif volume.ephemeral is not None and not is_finished(pod):
            yield f"{name_of(pod)}-{volume.name}"
