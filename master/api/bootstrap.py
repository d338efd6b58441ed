"""What every cluster has from the start: namespaces, priority classes, APIServices, the `kubernetes` Service and its endpoint.

Called by `master.app` at each start, before anything else writes. Idempotent: what is there is left alone, but for the
endpoint's address, which follows the settings. Kubernetes' own: pkg/controlplane's system namespaces and kubernetesservice
controllers.
"""

import ipaddress
import logging

from master.api.api_services import register_api_services
from master.api.auth.rbac.defaults.reconcile import reconcile
from master.api.kinds.priority_class import SYSTEM_CLASSES
from master.api.registry.registry import Registry
from master.api.registry.storage import decode
from master.api.settings import ApiSettings
from master.client.errors import StatusError
from master.client.protocol import Json, ResourceRef

_log = logging.getLogger(__name__)

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_NAMESPACES = ResourceRef("", "v1", "namespaces")
_SERVICES = ResourceRef("", "v1", "services")
_ENDPOINTS = ResourceRef("", "v1", "endpoints")
_ENDPOINT_SLICES = ResourceRef("discovery.k8s.io", "v1", "endpointslices")
_PRIORITY_CLASSES = ResourceRef("scheduling.k8s.io", "v1", "priorityclasses")
_NAME = "kubernetes"
_LABELS = {"component": "apiserver", "provider": "kubernetes"}


async def bootstrap(registry: Registry, settings: ApiSettings) -> None:
    """Raises StatusError when the store cannot be written. Afterwards webhooks and policies see every write."""
    for name in NAMESPACES:
        await _ensure(registry, _NAMESPACES, "", {"metadata": {"name": name}})
    await reconcile(registry.storage, registry)
    for priority_class in SYSTEM_CLASSES:
        await _ensure(registry, _PRIORITY_CLASSES, "", priority_class)
    await register_api_services(registry)
    await _ensure(registry, _SERVICES, "default", _service(settings))
    if settings.advertise_address:
        await _follow(registry, _ENDPOINTS, _endpoints(settings), "subsets")
        await _follow(registry, _ENDPOINT_SLICES, _endpoint_slice(settings), "endpoints", "ports")
    registry.dynamic_admission.active = True


async def _ensure(registry: Registry, resource: ResourceRef, namespace: str, obj: Json) -> None:
    name = obj["metadata"]["name"]
    try:
        await registry.get(resource, namespace, name)
    except StatusError as error:
        if error.code != 404:
            raise
        await registry.create(resource, namespace, obj)
        _log.info("created", extra={"resource": resource.plural, "namespace": namespace, "object": name})


async def _follow(registry: Registry, resource: ResourceRef, obj: Json, *fields: str) -> None:
    """Make an object of namespace default say what the settings say."""
    await _ensure(registry, resource, "default", obj)
    current = decode(await registry.get(resource, "default", _NAME))
    for name in fields:
        current[name] = obj[name]
    await registry.update(resource, "default", _NAME, current)


def _service(settings: ApiSettings) -> Json:
    first = next(ipaddress.IPv4Network(settings.service_cidr).hosts())
    return {
        "metadata": {"name": _NAME, "labels": _LABELS},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": str(first),
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": _port(settings)}],
            "sessionAffinity": "None",
        },
    }


def _endpoints(settings: ApiSettings) -> Json:
    # The mirroring controller leaves it alone: its slice is ours.
    labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    return {
        "metadata": {"name": _NAME, "labels": labels},
        "subsets": [
            {
                "addresses": [{"ip": settings.advertise_address}],
                "ports": [{"name": "https", "port": _port(settings), "protocol": "TCP"}],
            }
        ],
    }


def _endpoint_slice(settings: ApiSettings) -> Json:
    return {
        "metadata": {"name": _NAME, "labels": {"kubernetes.io/service-name": _NAME}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [settings.advertise_address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": _port(settings), "protocol": "TCP"}],
    }


def _port(settings: ApiSettings) -> int:
    return settings.advertise_port or settings.port
