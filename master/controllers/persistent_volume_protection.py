"""PV protection: a volume that is deleted stays while it is bound to a claim; then its finalizer comes off.

Source: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection
"""

from lightkube.resources.core_v1 import PersistentVolume

from master.controllers.context import ControllerContext
from master.controllers.objects.metadata import name_of, terminating
from master.controllers.objects.protection import is_due, settle
from master.informer import WorkQueue, run_workers

FINALIZER = "kubernetes.io/pv-protection"


class PersistentVolumeProtection:
    """Reconciles volumes by name."""

    name = "persistentvolume-protection"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._workers = context.settings.workers
        self._volumes = context.informers.of(PersistentVolume)
        self._queue: WorkQueue[str] = WorkQueue(self.name)
        self._volumes.add_handler(self._on_volume)

    async def run(self) -> None:
        await self._volumes.synced()
        await run_workers(self._queue, self._reconcile, workers=self._workers, name=self.name)

    def _on_volume(self, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        if new is not None and is_due(new, FINALIZER):
            self._queue.add(name_of(new))

    async def _reconcile(self, key: str) -> None:
        volume = self._volumes.get("", key)
        if volume is None or not is_due(volume, FINALIZER):
            return
        bound = volume.status is not None and volume.status.phase == "Bound"
        if not (terminating(volume) and bound):
            await settle(self._client, volume, FINALIZER)
