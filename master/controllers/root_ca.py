"""The root CA publisher: every namespace has the cluster's CA in the ConfigMap kube-root-ca.crt, for pods to trust the API."""

import msgspec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Namespace

from master.client.errors import StatusError
from master.controllers.context import ControllerContext
from master.controllers.objects.metadata import annotations_of, name_of, namespace_of, terminating, with_metadata
from master.informer import WorkQueue, run_workers

CONFIG_MAP = "kube-root-ca.crt"

_DESCRIPTION = {
    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using internal"
    " endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions"
    " of Kubernetes clusters."
}


class RootCaPublisher:
    """Reconciles namespaces by name."""

    name = "root-ca-certificate-publisher"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._data = {"ca.crt": context.settings.ca_certificate}
        self._workers = context.settings.workers
        self._namespaces = context.informers.of(Namespace)
        self._config_maps = context.informers.of(ConfigMap)
        self._queue: WorkQueue[str] = WorkQueue(self.name)
        self._namespaces.add_handler(self._on_namespace)
        self._config_maps.add_handler(self._on_config_map)

    async def run(self) -> None:
        await self._namespaces.synced()
        await self._config_maps.synced()
        await run_workers(self._queue, self._reconcile, workers=self._workers, name=self.name)

    def _on_namespace(self, old: Namespace | None, new: Namespace | None) -> None:
        if new is not None:
            self._queue.add(name_of(new))

    def _on_config_map(self, old: ConfigMap | None, new: ConfigMap | None) -> None:
        config_map = new or old
        if config_map is not None and name_of(config_map) == CONFIG_MAP:
            self._queue.add(namespace_of(config_map))

    async def _reconcile(self, key: str) -> None:
        namespace = self._namespaces.get("", key)
        if namespace is None or terminating(namespace):
            return
        current = self._config_maps.get(key, CONFIG_MAP)
        try:
            if current is None:
                metadata = ObjectMeta(name=CONFIG_MAP, namespace=key, annotations=dict(_DESCRIPTION))
                await self._client.create(ConfigMap(metadata=metadata, data=dict(self._data)))
            elif current.data != self._data or not _DESCRIPTION.items() <= annotations_of(current).items():
                annotations = {**annotations_of(current), **_DESCRIPTION}
                changed = msgspec.structs.replace(current, data=dict(self._data))
                await self._client.replace(with_metadata(changed, annotations=annotations))
        except StatusError as error:
            # Created a moment ago, or the namespace began to end.
            if error.reason != "AlreadyExists" and error.code not in {403, 404}:
                raise
