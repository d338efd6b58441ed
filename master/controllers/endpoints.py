"""The Endpoints controller: keeps the v1 Endpoints object of each Service with a selector, for clients that know no slices.

Its name is the Service's, so nothing is created twice. Services without a selector are left alone: their Endpoints are written
by hand. With the Service its Endpoints go.
"""

import msgspec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Endpoints, Pod, Service

from master.client.errors import StatusError
from master.client.protocol import DeleteOptions
from master.controllers.context import ControllerContext
from master.controllers.discovery.pace import Pace
from master.controllers.discovery.pod_endpoints import HEADLESS, has_selector, is_headless
from master.controllers.discovery.subsets import subsets_of
from master.controllers.objects.metadata import (
    Key,
    annotations_of,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    terminating,
    uid_of,
    with_metadata,
)
from master.controllers.objects.selectors import contains
from master.informer import WorkQueue, run_workers

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
CONTROLLER = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"


class EndpointsController:
    """Reconciles Services by key."""

    name = "endpoints"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._workers = context.settings.workers
        self._events = context.recorder("endpoint-controller")
        self._services = context.informers.of(Service)
        self._endpoints = context.informers.of(Endpoints)
        self._pods = context.informers.of(Pod)
        self._queue: WorkQueue[Key] = WorkQueue(self.name)
        self._monotonic = context.clock.monotonic
        self._pace = Pace()
        self._bereft: set[Key] = set()
        """Services that were deleted: their Endpoints go, whoever wrote them."""
        self._services.add_handler(self._on_service)
        self._endpoints.add_handler(self._on_endpoints)
        self._pods.add_handler(self._on_pod)

    async def run(self) -> None:
        for informer in (self._services, self._endpoints, self._pods):
            await informer.synced()
        await run_workers(self._queue, self._reconcile, workers=self._workers, name=self.name)

    def _on_service(self, old: Service | None, new: Service | None) -> None:
        if new is not None:
            self._bereft.discard(key_of(new))
            self._queue.add(key_of(new))
        elif old is not None:
            self._pace.forget(key_of(old))
            self._bereft.add(key_of(old))
            self._queue.add(key_of(old))

    def _on_endpoints(self, old: Endpoints | None, new: Endpoints | None) -> None:
        endpoints = new or old
        if endpoints is not None:
            self._queue.add(key_of(endpoints))

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            if pod is not None:
                for service in self._services.list(namespace_of(pod)):
                    if _selects(service, pod):
                        key = key_of(service)
                        self._queue.add_after(key, self._pace.pause(key))

    async def _reconcile(self, key: Key) -> None:
        service = self._services.get(*key)
        current = self._endpoints.get(*key)
        if service is None or terminating(service):
            await self._clean_up(key, current)
            return
        if not has_selector(service):
            return
        started = self._monotonic()
        wanted = self._wanted(service, current)
        self._pace.took(key, self._monotonic() - started)
        if wanted == current:
            return
        try:
            if current is None:
                await self._client.create(wanted)
            else:
                await self._client.replace(wanted)
        except StatusError as error:
            if error.code not in {403, 404, 409}:
                verb = "create" if current is None else "update"
                message = f"Failed to {verb} endpoint for service {key[0]}/{key[1]}: {error.message}"
                self._events.event(service, "Warning", f"FailedTo{verb.capitalize()}Endpoint", message)
            raise

    def _wanted(self, service: Service, current: Endpoints | None) -> Endpoints:
        """The Endpoints as they should be: the present object itself when there is nothing to change."""
        pods = [pod for pod in self._pods.list(namespace_of(service)) if _selects(service, pod)]
        subsets, truncated = subsets_of(service, pods)
        labels = {key: value for key, value in labels_of(service).items() if key != HEADLESS}
        labels[MANAGED_BY] = CONTROLLER
        if is_headless(service):
            labels[HEADLESS] = ""
        annotations = dict(annotations_of(current)) if current else {}
        annotations.pop(OVER_CAPACITY, None)
        if truncated:
            annotations[OVER_CAPACITY] = "truncated"
        if current is None:
            metadata = ObjectMeta(
                name=name_of(service), namespace=namespace_of(service), labels=labels, annotations=annotations or None
            )
            return Endpoints(metadata=metadata, subsets=subsets or None)
        if (current.subsets or []) == subsets and labels_of(current) == labels and annotations_of(current) == annotations:
            return current
        changed = msgspec.structs.replace(current, subsets=subsets or None)
        return with_metadata(changed, labels=labels, annotations=annotations or None)

    async def _clean_up(self, key: Key, current: Endpoints | None) -> None:
        """Endpoints go with their Service. Those that never had one, and that this controller did not make, stay."""
        if current is None or (key not in self._bereft and labels_of(current).get(MANAGED_BY) != CONTROLLER):
            self._bereft.discard(key)
            return
        options = DeleteOptions(uid=uid_of(current))
        try:
            await self._client.delete(Endpoints, name_of(current), namespace_of(current), options)
        except StatusError as error:
            if error.code != 404:
                raise
        self._bereft.discard(key)


def _selects(service: Service, pod: Pod) -> bool:
    return has_selector(service) and contains((service.spec.selector if service.spec else None) or {}, labels_of(pod))
