"""From a Service and its pods to endpoints: which pods count, at which address, on which ports.

Shared by the EndpointSlice and the Endpoints controllers; pure.
Source: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions
"""

from collections.abc import Sequence

from lightkube.models.core_v1 import Container, ObjectReference, ServicePort
from lightkube.models.discovery_v1 import Endpoint, EndpointConditions, EndpointPort
from lightkube.resources.core_v1 import Node, Pod, Service

from master.controllers.objects.metadata import labels_of, name_of, namespace_of, terminating, uid_of
from master.controllers.objects.pods import is_finished, is_ready, node_of

ZONE = "topology.kubernetes.io/zone"
HEADLESS = "service.kubernetes.io/headless"

Ports = tuple[EndpointPort, ...]


def has_selector(service: Service) -> bool:
    """Whether endpoints are made for this Service; without a selector they belong to somebody else."""
    return bool(service.spec and service.spec.selector)


def is_external_name(service: Service) -> bool:
    return service.spec is not None and service.spec.type == "ExternalName"


def is_headless(service: Service) -> bool:
    return service.spec is not None and service.spec.clusterIP == "None"


def publishes_not_ready(service: Service) -> bool:
    return bool(service.spec and service.spec.publishNotReadyAddresses)


def address_types(service: Service) -> list[str]:
    """One EndpointSlice address type per IP family of the Service."""
    families = (service.spec.ipFamilies if service.spec else None) or ["IPv4"]
    return list(families)


def address_of(pod: Pod, address_type: str) -> str | None:
    """The pod's address of this family; None while it has none."""
    status = pod.status
    if status is None:
        return None
    candidates = [each.ip for each in status.podIPs or () if each.ip] or ([status.podIP] if status.podIP else [])
    six = address_type == "IPv6"
    return next((each for each in candidates if (":" in each) is six), None)


def belongs(pod: Pod, *, include_terminating: bool) -> bool:
    """Whether a selected pod is an endpoint at all: it runs, or is about to, or (when asked for) is on its way out."""
    if is_finished(pod):
        return False
    return include_terminating or not terminating(pod)


def ports_of(service: Service, pod: Pod) -> Ports:
    """The Service's ports as this pod serves them. A named target port that the pod does not have is left out."""
    ports: list[EndpointPort] = []
    for port in (service.spec.ports if service.spec else None) or ():
        number = _target(port, pod)
        if number is not None:
            protocol = port.protocol or "TCP"
            ports.append(EndpointPort(name=port.name or "", port=number, protocol=protocol, appProtocol=port.appProtocol))
    return tuple(ports)


def _target(port: ServicePort, pod: Pod) -> int | None:
    target = port.targetPort
    if target is None or target in (0, ""):
        return port.port
    if isinstance(target, int):
        return target
    for container in _serving_containers(pod):
        for declared in container.ports or ():
            if declared.name == target and (declared.protocol or "TCP") == (port.protocol or "TCP"):
                return declared.containerPort
    return None


def _serving_containers(pod: Pod) -> Sequence[Container]:
    if pod.spec is None:
        return ()
    sidecars = [each for each in pod.spec.initContainers or () if each.restartPolicy == "Always"]
    return [*(pod.spec.containers or ()), *sidecars]


def hostname_in(service: Service, pod: Pod) -> str | None:
    """The pod's own name below the Service's DNS name, when it asks for one."""
    spec = pod.spec
    if spec is None or not spec.hostname or spec.subdomain != name_of(service):
        return None
    return spec.hostname


def reference_to(pod: Pod) -> ObjectReference:
    return ObjectReference(kind="Pod", namespace=namespace_of(pod), name=name_of(pod), uid=uid_of(pod))


def endpoint_of(service: Service, pod: Pod, address: str, node: Node | None) -> Endpoint:
    """The pod as an Endpoint. Ready: serving and not terminating, or the Service publishes whatever it selects."""
    serving = is_ready(pod)
    leaving = terminating(pod)
    return Endpoint(
        addresses=[address],
        conditions=EndpointConditions(
            ready=publishes_not_ready(service) or (serving and not leaving), serving=serving, terminating=leaving
        ),
        hostname=hostname_in(service, pod),
        nodeName=node_of(pod) or None,
        targetRef=reference_to(pod),
        zone=labels_of(node).get(ZONE) if node else None,
    )
