"""The subsets of a v1 Endpoints object.

Pure; called by the Endpoints controller. Addresses that serve the same ports share a subset; a pod that is not ready is listed
apart. Consumers read these in order, so the order never depends on the order of the pods.
Source: https://kubernetes.io/docs/concepts/services-networking/service/#endpoints
"""

from collections.abc import Iterable

from lightkube.models.core_v1 import EndpointAddress, EndpointPort, EndpointSubset
from lightkube.resources.core_v1 import Pod, Service

from master.controllers.discovery.pod_endpoints import (
    address_of,
    address_types,
    belongs,
    hostname_in,
    is_headless,
    ports_of,
    publishes_not_ready,
    reference_to,
)
from master.controllers.objects.pods import is_ready, node_of

MAX_ADDRESSES = 1000


def subsets_of(service: Service, pods: Iterable[Pod]) -> tuple[list[EndpointSubset], bool]:
    """The subsets, and whether addresses had to be left out because there are more than 1,000."""
    publish = publishes_not_ready(service)
    family = address_types(service)[0]
    found: list[tuple[tuple[tuple[str, int, str, str], ...], bool, EndpointAddress]] = []
    for pod in pods:
        address = address_of(pod, family)
        if address is None or not belongs(pod, include_terminating=publish):
            continue
        ports = ports_of(service, pod)
        if not ports and not (is_headless(service) and not (service.spec and service.spec.ports)):
            continue
        key = tuple(sorted((p.name or "", p.port or 0, p.protocol or "TCP", p.appProtocol or "") for p in ports))
        entry = EndpointAddress(
            ip=address, hostname=hostname_in(service, pod), nodeName=node_of(pod) or None, targetRef=reference_to(pod)
        )
        found.append((key, publish or is_ready(pod), entry))
    found.sort(key=lambda each: (each[0], not each[1], each[2].ip, each[2].targetRef.uid if each[2].targetRef else ""))
    truncated = len(found) > MAX_ADDRESSES
    if truncated:
        found = sorted(found, key=lambda each: not each[1])[:MAX_ADDRESSES]
    subsets: dict[tuple[tuple[str, int, str, str], ...], EndpointSubset] = {}
    for key, ready, entry in found:
        subset = subsets.setdefault(key, EndpointSubset(ports=[_port(*each) for each in key] or None))
        if ready:
            subset.addresses = [*(subset.addresses or ()), entry]
        else:
            subset.notReadyAddresses = [*(subset.notReadyAddresses or ()), entry]
    return [subsets[key] for key in sorted(subsets)], truncated


def _port(name: str, number: int, protocol: str, app_protocol: str) -> EndpointPort:
    return EndpointPort(port=number, name=name or None, protocol=protocol, appProtocol=app_protocol or None)
