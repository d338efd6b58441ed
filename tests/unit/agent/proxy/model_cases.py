"""Services and EndpointSlices for the proxy's unit tests."""

from typing import Any

import msgspec
from lightkube.resources.core_v1 import Service
from lightkube.resources.discovery_v1 import EndpointSlice

from agent.proxy.model import Endpoint, ServicePort, ServicePortName


def service(name: str = "web", **spec: Any) -> Service:
    spec = {"clusterIP": "10.96.0.10", "ports": [{"port": 80, "protocol": "TCP"}], **spec}
    return msgspec.convert({"metadata": {"name": name, "namespace": "test"}, "spec": spec}, Service)


def slice_of(*endpoints: dict[str, Any], name: str = "web-1", of: str = "web", **fields: Any) -> EndpointSlice:
    return msgspec.convert(
        {
            "metadata": {"name": name, "namespace": "test", "labels": {"kubernetes.io/service-name": of}},
            "addressType": "IPv4",
            "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
            "endpoints": list(endpoints),
            **fields,
        },
        EndpointSlice,
    )


def port(name: str = "web", endpoints: int = 2, **fields: Any) -> ServicePort:
    """A Service port whose endpoints alternate between this node and another."""
    protocol = fields.pop("protocol", "TCP")
    every = tuple(Endpoint(f"10.244.0.{number}", 8080, number % 2 == 0) for number in range(2, 2 + endpoints))
    defaults: dict[str, Any] = {
        "cluster_ip": "10.96.0.10",
        "external_ips": (),
        "node_port": 0,
        "affinity_seconds": 0,
        "internal_local": False,
        "external_local": False,
        "cluster_endpoints": every,
        "local_endpoints": tuple(one for one in every if one.local),
    }
    return ServicePort(name=ServicePortName("test", name, protocol, 80), **{**defaults, **fields})
