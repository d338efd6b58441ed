"""A small cluster's Services and endpoints, for the DNS tests."""

from typing import Any

import msgspec
from lightkube.resources.core_v1 import Service
from lightkube.resources.discovery_v1 import EndpointSlice

from agent.desired import DesiredState
from agent.dns.zone import Zone
from agent.dns.zone_index import ZoneIndex
from proto.messages import NodeOrder

ORDER = NodeOrder(
    pod_cidr="10.244.0.0/24",
    cluster_cidr="10.244.0.0/16",
    service_cidr="10.96.0.0/16",
    cluster_dns="",
    cluster_domain="cluster.local",
)


def service(name: str, **spec: Any) -> Service:
    return msgspec.convert({"metadata": {"name": name, "namespace": "default"}, "spec": spec}, Service)


def slice_of(name: str, *endpoints: dict[str, Any]) -> EndpointSlice:
    return msgspec.convert(
        {
            "metadata": {
                "name": f"{name}-1", "namespace": "default", "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": list(endpoints),
        },
        EndpointSlice,
    )  # fmt: skip


def cluster() -> DesiredState:
    """web: a cluster IP; db: headless with a named, an unnamed and an unready endpoint; gone: an alias; empty: headless."""
    desired = DesiredState(node=ORDER)
    for one in (
        service(
            "web",
            clusterIP="10.96.0.10",
            ports=[{"name": "http", "port": 80, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}],
        ),
        service("db", clusterIP="None", ports=[{"name": "http", "port": 8080}]),
        service("empty", clusterIP="None"),
        service("early", clusterIP="None", publishNotReadyAddresses=True),
        service("gone", type="ExternalName", externalName="web.default.svc.cluster.local"),
    ):
        assert one.metadata is not None
        desired.services["default", one.metadata.name or ""] = one
    desired.endpoint_slices["default", "db-1"] = slice_of(
        "db",
        {"addresses": ["10.244.0.5"], "hostname": "db-0", "conditions": {"ready": True}},
        {"addresses": ["10.244.0.6"]},
        {"addresses": ["10.244.0.7"], "conditions": {"ready": False}},
    )
    desired.endpoint_slices["default", "early-1"] = slice_of(
        "early", {"addresses": ["10.244.0.8"], "conditions": {"ready": False}}
    )
    return desired


def zone(desired: DesiredState) -> Zone:
    index = ZoneIndex(desired)
    index.rebuild()
    return Zone(
        index=index,
        domain=ORDER.cluster_domain,
        networks=(ORDER.cluster_cidr, ORDER.service_cidr),
        own_address="10.244.0.1",
        serial=1,
    )
