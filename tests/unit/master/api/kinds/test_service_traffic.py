"""How traffic from outside reaches a Service; statuses of Services and Nodes; a namespace's finalizers."""

from copy import deepcopy
from typing import Any

import pytest

from master.api.kinds.namespace import KIND as NAMESPACE
from master.api.kinds.node import KIND as NODE
from master.api.kinds.service import KIND as SERVICE
from master.api.registry.strategies.finalize import Finalize
from tests.unit.master.api.kinds.made import created, errors, updated

Json = dict[str, Any]

PORTS = [{"port": 80}]
BALANCED = "may only be used when `type` is 'LoadBalancer'"


def service(**spec: Any) -> Json:
    return created(SERVICE, {"metadata": {"name": "s"}, "spec": {"ports": PORTS, **spec}})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"externalIPs": ["192.0.2.1"]}, []),
        (
            {"externalIPs": ["127.0.0.1"]},
            ['spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'],
        ),
        (
            {"externalTrafficPolicy": "Local"},
            ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'],
        ),
        ({"loadBalancerClass": "a.b/c"}, [f"spec.loadBalancerClass: Forbidden: {BALANCED}"]),
        ({"allocateLoadBalancerNodePorts": False}, [f"spec.allocateLoadBalancerNodePorts: Forbidden: {BALANCED}"]),
        ({"loadBalancerSourceRanges": ["10.0.0.0/8"]}, [f"spec.LoadBalancerSourceRanges: Forbidden: {BALANCED}"]),
        (
            {"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/8 ", "x"]},
            [
                'spec.LoadBalancerSourceRanges[1]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or '
                "2001:db8::/64)"
            ],
        ),
        (
            {"type": "LoadBalancer", "healthCheckNodePort": 30000},
            [
                "spec.healthCheckNodePort: Invalid value: 30000: may only be set when `type` is 'LoadBalancer' and "
                "`externalTrafficPolicy` is 'Local'"
            ],
        ),
        ({"trafficDistribution": "PreferClose"}, []),
        (
            {"trafficDistribution": "Near"},
            ['spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose"'],
        ),
        (
            {"type": "ExternalName", "externalName": "a.b", "ipFamilies": ["IPv4"]},
            ["spec.ipFamilies: Forbidden: may not be set for ExternalName services"],
        ),
    ],
)
def test_errors_of_a_service(spec: Json, expected: list[str]) -> None:
    assert errors(SERVICE, service(**spec)) == expected


def test_a_service_with_external_addresses_has_a_traffic_policy() -> None:
    assert service(externalIPs=["192.0.2.1"])["spec"]["externalTrafficPolicy"] == "Cluster"
    assert "externalTrafficPolicy" not in service()["spec"]
    assert service()["status"] == {"loadBalancer": {}}


def test_a_load_balancer_s_class_stays() -> None:
    old = service(type="LoadBalancer", loadBalancerClass="a.b/c")
    new = updated(SERVICE, old, spec={**deepcopy(old["spec"]), "loadBalancerClass": "a.b/d"})
    assert errors(SERVICE, new, old) == ['spec.loadBalancerClass: Invalid value: "a.b/d": may not change once set']


@pytest.mark.parametrize(
    ("kind", "ingress", "expected"),
    [
        ("LoadBalancer", {"ip": "192.0.2.1"}, []),
        ("LoadBalancer", {"hostname": "lb.example.com"}, []),
        ("LoadBalancer", {"ip": "x"}, ['status.loadBalancer.ingress[0].ip: Invalid value: "x": must be a valid IP address, '
         "(e.g. 10.9.8.7 or 2001:db8::ffff)"]),
        ("LoadBalancer", {"hostname": "192.0.2.1"}, ['status.loadBalancer.ingress[0].hostname: Invalid value: "192.0.2.1": '
         "must be a DNS name, not an IP address"]),
        ("ClusterIP", {"ip": "192.0.2.1"}, ["status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is "
         "'LoadBalancer'"]),
    ],
)  # fmt: skip
def test_where_a_load_balancer_is(kind: str, ingress: Json, expected: list[str]) -> None:
    old = service(type=kind)
    obj = {**deepcopy(old), "status": {"loadBalancer": {"ingress": [ingress]}}}
    SERVICE.default(obj)
    assert [f"{cause.field}: {cause.message}" for cause in SERVICE.validate_status(obj, old)] == expected


def test_a_node_s_addresses_and_amounts() -> None:
    address = {"type": "InternalIP", "address": "192.0.2.1"}
    node = created(NODE, {"metadata": {"name": "n"}})
    node["status"] = {"addresses": [address, address], "capacity": {"pods": "1500m", "cpu": "2"}}
    assert [f"{cause.field}: {cause.message}" for cause in NODE.validate_status(node, None)] == [
        'status.addresses[1]: Duplicate value: {"type":"InternalIP","address":"192.0.2.1"}',
        'status.capacity[pods]: Invalid value: "1500m": must be an integer',
    ]


def test_a_namespace_s_finalizers_have_names() -> None:
    old = created(NAMESPACE, {"metadata": {"name": "n"}})
    obj = Finalize().merge(NAMESPACE, old, {"spec": {"finalizers": ["kubernetes", "mine", "example.com/mine"]}})
    assert [cause.field for cause in Finalize().validate(NAMESPACE, obj, old)] == ["spec.finalizers[1]"]
