"""PV protection: a volume that is deleted stays while it is bound to a claim; then its finalizer comes off.

Source: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection
"""

from lightkube.resources.core_v1 import PersistentVolume

from master.client.errors import StatusError
from master.controllers.context import ControllerContext
from master.controllers.objects.metadata import meta, name_of, terminating, with_metadata
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
        if new is not None and (FINALIZER in (meta(new).finalizers or ())) == terminating(new):
            self._queue.add(name_of(new))

    async def _reconcile(self, key: str) -> None:
        volume = self._volumes.get("", key)
        if volume is None:
            return
        finalizers = list(meta(volume).finalizers or ())
        if terminating(volume):
            bound = volume.status is not None and volume.status.phase == "Bound"
            if FINALIZER not in finalizers or bound:
                return
            finalizers.remove(FINALIZER)
        elif FINALIZER not in finalizers:
            finalizers.append(FINALIZER)
        else:
            return
        try:
            await self._client.replace(with_metadata(volume, finalizers=finalizers))
        except StatusError as error:
            if error.code != 404:
                raise
