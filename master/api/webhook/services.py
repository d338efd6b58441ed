"""Where a webhook's Service answers: the ready endpoints of one of its ports, from the EndpointSlices in the watch cache.

Called by `client` for each new connection. The master dials pods directly; where it has no route to the pod network the
connection fails, and the webhook's failurePolicy decides. Names, loopback and link-local addresses are no endpoints: whoever
writes slices would reach what only the master reaches. Rules and words: kube-aggregator's ResolveEndpoint
(k8s.io/apiserver pkg/util/proxy).
"""

import random
from dataclasses import dataclass
from typing import Any

from master.store.cache import WatchCache
from proto.k8s.address import is_proxyable

_SERVICES = "/registry/core/services/"
_SLICES = "/registry/discovery.k8s.io/endpointslices/"
_SERVICE_NAME = "kubernetes.io/service-name"
#: So many endpoints are tried before a connection counts as failed.
_TRIED = 3


class NoEndpoint(Exception):
    """Nothing answers for the Service; in kube-apiserver's words."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address and port to dial."""

    address: str
    port: int


class ServiceEndpoints:
    """Reads the watch cache; keeps nothing."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    def resolve(self, namespace: str, name: str, port: int) -> list[Endpoint]:
        """A few ready endpoints in random order. Raises NoEndpoint."""
        cached = self._cache.get(f"{_SERVICES}{namespace}/{name}")
        if cached is None:
            raise NoEndpoint(f'service "{name}" not found')
        spec: dict[str, Any] = cached.decode().get("spec") or {}
        wanted = next((p for p in spec.get("ports") or () if p.get("port") == port), None)
        if wanted is None:
            raise NoEndpoint(f'no service port {port} found for service "{name}"')
        if spec.get("type") == "ExternalName":
            raise NoEndpoint('unsupported service type "ExternalName"')
        slices, _ = self._cache.list(f"{_SLICES}{namespace}/")
        found = [
            endpoint
            for piece in slices
            if piece.labels.get(_SERVICE_NAME) == name
            for endpoint in _ready(piece.decode(), wanted.get("name") or "")
        ]
        if not found:
            raise NoEndpoint(f'no endpoints available for service "{name}"')
        return random.sample(found, min(_TRIED, len(found)))


def _ready(piece: dict[str, Any], port_name: str) -> list[Endpoint]:
    """The endpoints of one slice that take connections on a named port."""
    port = next((p.get("port") for p in piece.get("ports") or () if (p.get("name") or "") == port_name), None)
    if not port:
        return []
    return [
        Endpoint(endpoint["addresses"][0], port)
        for endpoint in piece.get("endpoints") or ()
        # Unknown counts as ready (discovery.k8s.io/v1).
        if endpoint.get("addresses")
        and (endpoint.get("conditions") or {}).get("ready") is not False
        and is_proxyable(endpoint["addresses"][0])
    ]
