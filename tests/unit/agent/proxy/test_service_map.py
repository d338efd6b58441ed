"""Which endpoints take a Service's traffic, by Kubernetes' rules."""

from typing import Any

import pytest

from agent.desired import DesiredState
from agent.proxy.service_map import ServiceMap, ports_of
from tests.unit.agent.proxy.model_cases import service, slice_of


def endpoint(address: str, node: str = "here", **conditions: bool) -> dict[str, Any]:
    return {"addresses": [address], "nodeName": node, "conditions": conditions}


def addresses(*endpoints: dict[str, Any], **spec: Any) -> list[str]:
    (port,) = ports_of(service(**spec), [slice_of(*endpoints)], "here").values()
    return [one.address for one in port.internal_endpoints]


def test_ready_endpoints_in_numeric_order() -> None:
    assert addresses(endpoint("10.0.0.10"), endpoint("10.0.0.9"), endpoint("10.0.0.2", ready=False)) == [
        "10.0.0.9",
        "10.0.0.10",
    ]


def test_serving_terminating_endpoints_only_when_none_is_ready() -> None:
    draining = endpoint("10.0.0.1", ready=False, serving=True, terminating=True)
    dead = endpoint("10.0.0.2", ready=False, serving=False, terminating=True)
    starting = endpoint("10.0.0.3", ready=False, serving=True, terminating=False)
    assert addresses(draining, dead, starting) == ["10.0.0.1"]
    assert addresses(draining, endpoint("10.0.0.4", ready=True)) == ["10.0.0.4"]


def test_a_local_endpoint_may_drain_while_others_are_ready_elsewhere() -> None:
    draining = endpoint("10.0.0.1", ready=False, serving=True, terminating=True)
    assert addresses(draining, endpoint("10.0.0.2", "there"), internalTrafficPolicy="Local") == ["10.0.0.1"]
    assert addresses(draining, endpoint("10.0.0.2", "there")) == ["10.0.0.2"]


def test_ports_are_matched_by_name_and_protocol() -> None:
    spec: dict[str, Any] = {
        "ports": [
            {"name": "dns", "port": 53, "protocol": "UDP", "nodePort": 30053},
            {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
            {"name": "web", "port": 80, "targetPort": "http"},
        ]
    }
    pieces = [
        {"name": "dns", "port": 5353, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 5354, "protocol": "TCP"},
        {"name": "web", "port": 8080, "protocol": "UDP"},
    ]
    ports = ports_of(service(**spec), [slice_of(endpoint("10.0.0.1"), ports=pieces)], "here")
    assert {(name.protocol, name.port): [one.port for one in port.cluster_endpoints] for name, port in ports.items()} == {
        ("TCP", 53): [5354],
        ("TCP", 80): [],
        ("UDP", 53): [5353],
    }
    assert [port.node_port for port in ports.values()] == [0, 0, 30053]


def test_an_endpoint_in_two_slices_counts_once() -> None:
    slices = [slice_of(endpoint("10.0.0.1")), slice_of(endpoint("10.0.0.1"), endpoint("10.0.0.2"), name="web-2")]
    (port,) = ports_of(service(), slices, "here").values()
    assert [one.address for one in port.cluster_endpoints] == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize(
    "spec",
    [{"clusterIP": "None"}, {"clusterIP": ""}, {"type": "ExternalName", "externalName": "x"}, {"clusterIP": "fd00::1"}],
)
def test_services_without_a_cluster_ip_have_no_ports_for_a_proxy(spec: dict[str, Any]) -> None:
    assert ports_of(service(**spec), [slice_of(endpoint("10.0.0.1"))], "here") == {}


def test_a_service_of_another_proxy_is_left_to_it() -> None:
    other = service()
    assert other.metadata is not None
    other.metadata.labels = {"service.kubernetes.io/service-proxy-name": "mine"}
    assert ports_of(other, [], "here") == {}


def test_affinity_has_kubernetes_default() -> None:
    assert [p.affinity_seconds for p in ports_of(service(sessionAffinity="ClientIP"), [], "here").values()] == [10800]
    config = {"clientIP": {"timeoutSeconds": 5}}
    spec: dict[str, Any] = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": config}
    assert [p.affinity_seconds for p in ports_of(service(**spec), [], "here").values()] == [5]


def test_updates_tell_only_what_really_changed() -> None:
    desired, services = DesiredState(), ServiceMap("here")
    key, slice_key = ("test", "web"), ("test", "web-1")
    desired.endpoint_slices[slice_key] = slice_of(endpoint("10.0.0.1"))
    assert services.update(desired, services=(), slices=[slice_key]) == set()
    desired.services[key] = service()
    assert services.update(desired, services=[key], slices=()) == {key}
    assert services.update(desired, services=[key], slices=[slice_key]) == set()
    desired.endpoint_slices[slice_key] = slice_of(endpoint("10.0.0.2"))
    assert services.update(desired, services=(), slices=[slice_key]) == {key}
    del desired.endpoint_slices[slice_key]
    assert services.update(desired, services=(), slices=[slice_key]) == {key}
    assert [port.cluster_endpoints for port in services.all_ports()] == [()]
    del desired.services[key]
    assert services.update(desired, services=[key], slices=()) == {key}
    assert services.all_ports() == []


def test_a_slice_that_moves_to_another_service_changes_both() -> None:
    desired, services = DesiredState(), ServiceMap("here")
    desired.services = {("test", name): service(name) for name in ("web", "new")}
    desired.endpoint_slices["test", "web-1"] = slice_of(endpoint("10.0.0.1"))
    services.rebuild(desired)
    desired.endpoint_slices["test", "web-1"] = slice_of(endpoint("10.0.0.1"), of="new")
    assert services.update(desired, services=(), slices=[("test", "web-1")]) == {("test", "web"), ("test", "new")}
