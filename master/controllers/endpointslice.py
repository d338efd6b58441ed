"""The EndpointSlice controller: keeps the slices of each Service with a selector equal to the pods that it selects.

Services without a selector and slices that somebody else manages are left alone. The slices of a deleted Service fall to the
garbage collector. What changes is computed by `discovery.slices`; here are only the reads and the writes.
"""

from collections.abc import Iterable

from lightkube.resources.core_v1 import Node, Pod, Service
from lightkube.resources.discovery_v1 import EndpointSlice

from master.client.errors import StatusError
from master.client.protocol import DeleteOptions
from master.controllers.context import ControllerContext
from master.controllers.discovery.pace import Pace
from master.controllers.discovery.pod_endpoints import (
    ZONE,
    Ports,
    address_of,
    address_types,
    belongs,
    endpoint_of,
    has_selector,
    is_external_name,
    ports_of,
)
from master.controllers.discovery.slices import CONTROLLER, MANAGED_BY, SERVICE_NAME, Changes, Group, plan
from master.controllers.objects.metadata import (
    Key,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    terminating,
    uid_of,
)
from master.controllers.objects.pods import node_of
from master.controllers.objects.selectors import contains
from master.controllers.objects.written import Written
from master.informer import Retry, WorkQueue, run_workers

_BY_SERVICE = "service"
_BY_NODE = "node"


class EndpointSliceController:
    """Reconciles Services by key."""

    name = "endpointslice"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._workers = context.settings.workers
        self._events = context.recorder("endpoint-slice-controller")
        self._services = context.informers.of(Service)
        self._slices = context.informers.of(EndpointSlice)
        self._pods = context.informers.of(Pod)
        self._nodes = context.informers.of(Node)
        self._slices.add_index(_BY_SERVICE, _service_of_slice)
        self._pods.add_index(_BY_NODE, _node_of_pod)
        self._queue: WorkQueue[Key] = WorkQueue(self.name)
        self._monotonic = context.clock.monotonic
        self._pace = Pace()
        self._written = Written(self._monotonic)
        self._services.add_handler(self._on_service)
        self._slices.add_handler(self._on_slice)
        self._pods.add_handler(self._on_pod)
        self._nodes.add_handler(self._on_node)

    async def run(self) -> None:
        for informer in (self._services, self._slices, self._pods, self._nodes):
            await informer.synced()
        await run_workers(self._queue, self._reconcile, workers=self._workers, name=self.name)

    def _on_service(self, old: Service | None, new: Service | None) -> None:
        if new is not None:
            self._queue.add(key_of(new))
        elif old is not None:
            self._pace.forget(key_of(old))

    def _on_slice(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        if new is None and old is not None:
            self._written.vanished(key_of(old))
        for each in (old, new):
            if each is not None and (service := labels_of(each).get(SERVICE_NAME)):
                self._queue.add((namespace_of(each), service))

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            if pod is not None:
                for service in self._services.list(namespace_of(pod)):
                    if _selects(service, pod):
                        key = key_of(service)
                        self._queue.add_after(key, self._pace.pause(key))

    def _on_node(self, old: Node | None, new: Node | None) -> None:
        """Endpoints name their node's zone."""
        node = new or old
        if node is None or (old is not None and new is not None and labels_of(old).get(ZONE) == labels_of(new).get(ZONE)):
            return
        for pod in self._pods.by_index(_BY_NODE, name_of(node)):
            self._on_pod(None, pod)

    async def _reconcile(self, key: Key) -> None:
        service = self._services.get(*key)
        if service is None or terminating(service):
            return
        if not self._written.shown(key, lambda each: self._slices.get(*each)):
            raise Retry(0.2, "the cache does not show the slices written before")
        existing = [each for each in self._slices.by_index(_BY_SERVICE, _index_value(key)) if not terminating(each)]
        if is_external_name(service):
            await self._write(key, service, Changes(deleted=existing))
            return
        if not has_selector(service):
            return
        families = address_types(service)
        started = self._monotonic()
        changes = plan(service, existing, self._groups(service, families), families)
        self._pace.took(key, self._monotonic() - started)
        await self._write(key, service, changes)

    def _groups(self, service: Service, families: Iterable[str]) -> list[Group]:
        pods = [
            p for p in self._pods.list(namespace_of(service)) if _selects(service, p) and belongs(p, include_terminating=True)
        ]
        pods.sort(key=name_of)
        groups: dict[tuple[object, ...], Group] = {}
        for family in families:
            for pod in pods:
                address = address_of(pod, family)
                if address is None:
                    continue
                ports = ports_of(service, pod)
                endpoint = endpoint_of(service, pod, address, self._nodes.get("", node_of(pod)))
                group = groups.setdefault((family, *_identity(ports)), Group(family, ports, []))
                group.endpoints.append(endpoint)
        return list(groups.values())

    async def _write(self, key: Key, service: Service, changes: Changes) -> None:
        try:
            for created in changes.created:
                self._written.wrote(key, await self._client.create(created))
            for updated in changes.updated:
                self._written.wrote(key, await self._client.replace(updated))
            for deleted in changes.deleted:
                await self._delete(deleted)
        except StatusError as error:
            # A Service or namespace that goes away in the middle, and a race, are nobody's trouble.
            if error.code not in {403, 404, 409}:
                message = f"Error updating Endpoint Slices for Service {key[0]}/{key[1]}: {error.message}"
                self._events.event(service, "Warning", "FailedToUpdateEndpointSlices", message)
            raise

    async def _delete(self, slice_: EndpointSlice) -> None:
        options = DeleteOptions(uid=uid_of(slice_))
        try:
            await self._client.delete(EndpointSlice, name_of(slice_), namespace_of(slice_), options)
        except StatusError as error:
            if error.code != 404:
                raise


def _selects(service: Service, pod: Pod) -> bool:
    return has_selector(service) and contains((service.spec.selector if service.spec else None) or {}, labels_of(pod))


def _identity(ports: Ports) -> tuple[tuple[str, str, int, str], ...]:
    return tuple((port.name or "", port.protocol or "", port.port or 0, port.appProtocol or "") for port in ports)


def _index_value(key: Key) -> str:
    return f"{key[0]}/{key[1]}"


def _service_of_slice(slice_: EndpointSlice) -> list[str]:
    labels = labels_of(slice_)
    service = labels.get(SERVICE_NAME)
    if service is None or labels.get(MANAGED_BY) != CONTROLLER:
        return []
    return [_index_value((namespace_of(slice_), service))]


def _node_of_pod(pod: Pod) -> list[str]:
    node = node_of(pod)
    return [node] if node else []
