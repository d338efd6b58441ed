"""Services and their endpoints by the keys that DNS asks for. Kept current by `DNSServer`; read by `zone`. No I/O."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from lightkube.models.core_v1 import Service
from lightkube.models.discovery_v1 import EndpointSlice

from agent.desired import Change, DesiredState, ObjectKey

_SERVICE_NAME_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True, order=True)
class NamedEndpoint:
    """An endpoint as DNS shows it: `hostname` is the pod's, or its address with dashes."""

    hostname: str
    address: str
    #: (port name, protocol in lower case, number)
    ports: tuple[tuple[str, str, int], ...]


class ZoneIndex:
    """`rebuild` once, then `apply` each change."""

    def __init__(self, desired: DesiredState) -> None:
        self._desired = desired
        self._service_of_slice: dict[ObjectKey, ObjectKey] = {}
        self._slices: dict[ObjectKey, set[ObjectKey]] = {}
        self._addresses_of_slice: dict[ObjectKey, frozenset[str]] = {}
        self._slices_of_address: dict[str, set[ObjectKey]] = {}
        self._cluster_ip: dict[ObjectKey, str] = {}
        self._service_of_ip: dict[str, ObjectKey] = {}
        self._services_of_namespace: dict[str, set[str]] = {}

    def rebuild(self) -> None:
        for namespace, name in {*self._cluster_ip, *self._desired.services}:
            self.apply(Change("services", namespace, name))
        for namespace, name in {*self._service_of_slice, *self._desired.endpoint_slices}:
            self.apply(Change("endpointslices", namespace, name))

    def apply(self, change: Change) -> None:
        key = (change.namespace, change.name)
        if change.resource == "services":
            self._index_service(key)
        elif change.resource == "endpointslices":
            self._index_slice(key)

    def service(self, namespace: str, name: str) -> Service | None:
        return self._desired.services.get((namespace, name))

    def has_namespace(self, namespace: str) -> bool:
        """Whether a Service is in it; of other namespaces DNS knows nothing."""
        return namespace in self._services_of_namespace

    def service_of_ip(self, address: str) -> ObjectKey | None:
        return self._service_of_ip.get(address)

    def endpoints(self, namespace: str, name: str) -> list[NamedEndpoint]:
        """The endpoints of a Service that DNS names: ready ones, or all with publishNotReadyAddresses."""
        service = self.service(namespace, name)
        if service is None:
            return []
        every = bool(service.spec and service.spec.publishNotReadyAddresses)
        slices = (self._desired.endpoint_slices.get(key) for key in self._slices.get((namespace, name), ()))
        return sorted({one for slice_ in slices if slice_ is not None for one in _endpoints(slice_, every=every)})

    def endpoint_names_of_ip(self, address: str) -> list[tuple[str, ObjectKey]]:
        """(hostname, Service) of the headless Services' endpoints with this address."""
        services = {self._service_of_slice[key] for key in self._slices_of_address.get(address, ())}
        return sorted(
            (endpoint.hostname, key)
            for key in services
            if (service := self.service(*key)) is not None and is_headless(service)
            for endpoint in self.endpoints(*key)
            if endpoint.address == address
        )

    def _index_service(self, key: ObjectKey) -> None:
        namespace, name = key
        before = self._cluster_ip.pop(key, None)
        if before and self._service_of_ip.get(before) == key:
            del self._service_of_ip[before]
        names = self._services_of_namespace.setdefault(namespace, set())
        service = self._desired.services.get(key)
        if service is None:
            names.discard(name)
            if not names:
                del self._services_of_namespace[namespace]
            return
        names.add(name)
        ip = (service.spec.clusterIP if service.spec else None) or ""
        self._cluster_ip[key] = ip
        if ip and not is_headless(service):
            self._service_of_ip[ip] = key

    def _index_slice(self, key: ObjectKey) -> None:
        before = self._service_of_slice.pop(key, None)
        if before is not None:
            _discard(self._slices, before, key)
        for address in self._addresses_of_slice.pop(key, frozenset()):
            _discard(self._slices_of_address, address, key)
        slice_ = self._desired.endpoint_slices.get(key)
        labels = (slice_.metadata.labels if slice_ is not None and slice_.metadata else None) or {}
        service = labels.get(_SERVICE_NAME_LABEL)
        if slice_ is None or not service:
            return
        self._service_of_slice[key] = (key[0], service)
        self._slices.setdefault((key[0], service), set()).add(key)
        addresses = frozenset(endpoint.addresses[0] for endpoint in slice_.endpoints or [] if endpoint.addresses)
        self._addresses_of_slice[key] = addresses
        for address in addresses:
            self._slices_of_address.setdefault(address, set()).add(key)


def is_headless(service: Service) -> bool:
    return bool(service.spec and service.spec.clusterIP == "None")


def _discard(index: dict[ObjectKey, set[ObjectKey]] | dict[str, set[ObjectKey]], at: object, key: ObjectKey) -> None:
    members: set[ObjectKey] = index[at]  # type: ignore[index]
    members.discard(key)
    if not members:
        del index[at]  # type: ignore[arg-type]


def _endpoints(slice_: EndpointSlice, *, every: bool) -> Iterator[NamedEndpoint]:
    if slice_.addressType != "IPv4":
        return
    ports = tuple(
        sorted((port.name or "", (port.protocol or "TCP").lower(), port.port) for port in slice_.ports or [] if port.port)
    )
    for endpoint in slice_.endpoints or []:
        conditions = endpoint.conditions
        ready = conditions is None or conditions.ready is None or conditions.ready
        if not (ready or every) or not _are_ipv4(endpoint.addresses[:1]):
            continue
        address = endpoint.addresses[0]
        yield NamedEndpoint(endpoint.hostname or address.replace(".", "-"), address, ports)


def _are_ipv4(addresses: Iterable[str]) -> bool:
    found = False
    for address in addresses:
        try:
            IPv4Address(address)
        except ValueError:
            return False
        found = True
    return found
