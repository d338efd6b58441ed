"""The service account controller: every namespace has a ServiceAccount "default", which pods use that name no other."""

from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, ServiceAccount

from master.client.errors import StatusError
from master.controllers.context import ControllerContext
from master.controllers.objects.metadata import name_of, namespace_of, terminating
from master.informer import WorkQueue, run_workers

DEFAULT = "default"


class ServiceAccountController:
    """Reconciles namespaces by name."""

    name = "serviceaccount"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._workers = context.settings.workers
        self._namespaces = context.informers.of(Namespace)
        self._accounts = context.informers.of(ServiceAccount)
        self._queue: WorkQueue[str] = WorkQueue(self.name)
        self._namespaces.add_handler(self._on_namespace)
        self._accounts.add_handler(self._on_account)

    async def run(self) -> None:
        await self._namespaces.synced()
        await self._accounts.synced()
        await run_workers(self._queue, self._reconcile, workers=self._workers, name=self.name)

    def _on_namespace(self, old: Namespace | None, new: Namespace | None) -> None:
        if new is not None:
            self._queue.add(name_of(new))

    def _on_account(self, old: ServiceAccount | None, new: ServiceAccount | None) -> None:
        if new is None and old is not None and name_of(old) == DEFAULT:
            self._queue.add(namespace_of(old))

    async def _reconcile(self, key: str) -> None:
        namespace = self._namespaces.get("", key)
        if namespace is None or terminating(namespace) or self._accounts.get(key, DEFAULT) is not None:
            return
        try:
            await self._client.create(ServiceAccount(metadata=ObjectMeta(name=DEFAULT, namespace=key)))
        except StatusError as error:
            # Created a moment ago, or the namespace began to end.
            if error.reason != "AlreadyExists" and error.code not in {403, 404}:
                raise
