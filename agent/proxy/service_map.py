"""Services and EndpointSlices to the proxy's model: pure, incremental, in a fixed order.

`KubeProxy` feeds it with what changed; it reads the desired state and says which Services differ. It touches nothing else.
"""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address

from lightkube.models.core_v1 import Service
from lightkube.models.core_v1 import ServicePort as ApiServicePort
from lightkube.models.discovery_v1 import Endpoint as ApiEndpoint
from lightkube.models.discovery_v1 import EndpointSlice

from agent.desired import DesiredState, ObjectKey
from agent.proxy.model import Endpoint, Protocol, ServicePort, ServicePortName

#: Label on an EndpointSlice: the Service that it belongs to.
SERVICE_NAME_LABEL = "kubernetes.io/service-name"
#: Label on a Service: another proxy serves it.
PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
#: Kubernetes' default of sessionAffinityConfig.clientIP.timeoutSeconds.
DEFAULT_AFFINITY_SECONDS = 10800

_PROTOCOLS: dict[str, Protocol] = {"TCP": "TCP", "UDP": "UDP", "SCTP": "SCTP"}

Ports = Mapping[ServicePortName, ServicePort]


class ServiceMap:
    """The model of all Services as of the last `update`."""

    def __init__(self, node_name: str) -> None:
        self._node_name = node_name
        self._ports: dict[ObjectKey, dict[ServicePortName, ServicePort]] = {}
        self._service_of_slice: dict[ObjectKey, ObjectKey] = {}
        self._slices_of_service: dict[ObjectKey, set[ObjectKey]] = {}

    def rebuild(self, desired: DesiredState) -> set[ObjectKey]:
        """Read everything anew; the Services that are there or have gone."""
        services = {*self._ports, *desired.services}
        slices = {*self._service_of_slice, *desired.endpoint_slices}
        self.update(desired, services=services, slices=slices)
        return services

    def update(self, desired: DesiredState, *, services: Iterable[ObjectKey], slices: Iterable[ObjectKey]) -> set[ObjectKey]:
        """Take in these changed (or removed) objects; the Services whose model differs now."""
        touched = set(services)
        for key in slices:
            touched |= self._index_slice(key, desired.endpoint_slices.get(key))
        changed = set()
        for key in touched:
            service = desired.services.get(key)
            members = (desired.endpoint_slices.get(member) for member in sorted(self._slices_of_service.get(key, ())))
            ports = {} if service is None else ports_of(service, [m for m in members if m is not None], self._node_name)
            if ports != self._ports.get(key, {}):
                changed.add(key)
            if ports:
                self._ports[key] = ports
            else:
                self._ports.pop(key, None)
        return changed

    def ports(self, service: ObjectKey) -> Ports:
        """The ports of a Service; empty when it has none that a proxy serves (or is gone)."""
        return self._ports.get(service, {})

    def all_ports(self) -> list[ServicePort]:
        return [port for key in sorted(self._ports) for port in self._ports[key].values()]

    def _index_slice(self, key: ObjectKey, slice_: EndpointSlice | None) -> set[ObjectKey]:
        """Note which Service the slice belongs to; the Services concerned (the former one too)."""
        labels = (slice_.metadata.labels if slice_ is not None and slice_.metadata is not None else None) or {}
        name = labels.get(SERVICE_NAME_LABEL)
        now = (key[0], name) if name else None
        before = self._service_of_slice.pop(key, None)
        if before is not None:
            members = self._slices_of_service[before]
            members.discard(key)
            if not members:
                del self._slices_of_service[before]
        if now is not None:
            self._service_of_slice[key] = now
            self._slices_of_service.setdefault(now, set()).add(key)
        return {service for service in (before, now) if service is not None}


def ports_of(service: Service, slices: Sequence[EndpointSlice], node_name: str) -> dict[ServicePortName, ServicePort]:
    """The ports of one Service with their endpoints. Headless and ExternalName Services have none for a proxy."""
    metadata, spec = service.metadata, service.spec
    if metadata is None or spec is None or spec.type == "ExternalName":
        return {}
    cluster_ip = spec.clusterIP or ""
    if not is_ipv4(cluster_ip) or PROXY_NAME_LABEL in (metadata.labels or {}):
        return {}
    affinity = 0
    if spec.sessionAffinity == "ClientIP":
        client_ip = spec.sessionAffinityConfig.clientIP if spec.sessionAffinityConfig else None
        affinity = (client_ip.timeoutSeconds if client_ip else None) or DEFAULT_AFFINITY_SECONDS
    ports = {}
    for port in spec.ports or []:
        protocol = _PROTOCOLS.get(port.protocol or "TCP")
        if protocol is None:
            continue
        name = ServicePortName(metadata.namespace or "", metadata.name or "", protocol, port.port)
        candidates = _candidates(port, protocol, slices)
        ports[name] = ServicePort(
            name=name,
            cluster_ip=cluster_ip,
            external_ips=tuple(sorted({ip for ip in spec.externalIPs or [] if is_ipv4(ip)})),
            node_port=port.nodePort or 0,
            affinity_seconds=affinity,
            internal_local=spec.internalTrafficPolicy == "Local",
            external_local=spec.externalTrafficPolicy == "Local",
            cluster_endpoints=_chosen(candidates, node_name, local_only=False),
            local_endpoints=_chosen(candidates, node_name, local_only=True),
        )
    return dict(sorted(ports.items()))


def is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def _candidates(
    port: ApiServicePort, protocol: Protocol, slices: Sequence[EndpointSlice]
) -> list[tuple[ApiEndpoint, str, int]]:
    """Each endpoint with an address and the number of the slice's port that has this Service port's name."""
    found = []
    for slice_ in slices:
        if slice_.addressType != "IPv4":
            continue
        for slice_port in slice_.ports or []:
            same = (slice_port.name or "") == (port.name or "") and (slice_port.protocol or "TCP") == protocol
            if not same or slice_port.port is None:
                continue
            for endpoint in slice_.endpoints or []:
                # All addresses of an endpoint are the same backend; consumers use the first (EndpointSlice API).
                if endpoint.addresses and is_ipv4(endpoint.addresses[0]):
                    found.append((endpoint, endpoint.addresses[0], slice_port.port))
    return found


def _chosen(candidates: list[tuple[ApiEndpoint, str, int]], node_name: str, *, local_only: bool) -> tuple[Endpoint, ...]:
    ready: dict[tuple[IPv4Address, int], Endpoint] = {}
    draining: dict[tuple[IPv4Address, int], Endpoint] = {}
    for api, address, port in candidates:
        local = api.nodeName == node_name
        if local_only and not local:
            continue
        conditions = api.conditions
        is_ready = conditions is None or conditions.ready is None or conditions.ready
        serves = conditions is None or conditions.serving is None or conditions.serving
        terminates = conditions is not None and bool(conditions.terminating)
        key = (IPv4Address(address), port)
        if is_ready:
            ready[key] = Endpoint(address, port, local)
        elif serves and terminates:
            draining[key] = Endpoint(address, port, local)
    return tuple(endpoint for _, endpoint in sorted((ready or draining).items()))
