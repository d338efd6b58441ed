"""Services, namespaces, config maps, secrets, endpoint slices, nodes, events: defaults and errors."""

from copy import deepcopy
from typing import Any

import pytest

from master.api.kinds import config_map, endpoint_slice, event, events_event, namespace, node, secret, service
from master.api.kinds.kind import Kind

Json = dict[str, Any]


def stored(kind: Kind, body: Json, *, name: str = "x") -> Json:
    metadata: Json = {"name": name, **({"namespace": "default"} if kind.namespaced else {})}
    obj: Json = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **body}
    kind.prepare_for_create(obj)
    kind.default(obj)
    return obj


def errors(kind: Kind, obj: Json, old: Json | None = None) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in kind.validate(obj, old)]


def svc(**spec: Any) -> Json:
    spec.setdefault("ports", [{"port": 80}])
    return stored(service.KIND, {"spec": spec})


def test_defaults_of_a_service() -> None:
    assert svc()["spec"] == {
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
    }
    assert svc(type="NodePort")["spec"]["externalTrafficPolicy"] == "Cluster"
    assert svc(sessionAffinity="ClientIP")["spec"]["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"ports": []}, ["spec.ports: Required value"]),
        ({"ports": [], "clusterIP": "None"}, []),
        ({"ports": [], "type": "ExternalName", "externalName": "example.com"}, []),
        ({"ports": [{"port": 1}, {"port": 2}]}, ["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"]),
        (
            {"type": "Magic"},
            [
                'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", '
                '"NodePort"'
            ],
        ),
        (
            {"ports": [{"port": 80, "nodePort": 30000}]},
            ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
        ),
        (
            {"type": "NodePort", "clusterIP": "None"},
            ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"],
        ),
        ({"ports": [{"port": 0}]}, ["spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
                                    "spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive"]),
    ],
)  # fmt: skip
def test_errors_of_a_service(spec: Json, expected: list[str]) -> None:
    assert errors(service.KIND, svc(**spec)) == expected


def test_a_services_name_is_a_dns_1035_label() -> None:
    obj = svc()
    obj["metadata"]["name"] = "1abc"
    (error,) = errors(service.KIND, obj)
    assert error.startswith('metadata.name: Invalid value: "1abc": a DNS-1035 label must consist of lower case alphanumeric')


def test_an_update_keeps_the_cluster_ip_and_may_not_change_it() -> None:
    old = svc(clusterIP="10.96.0.9", clusterIPs=["10.96.0.9"])
    new = svc()
    service.KIND.prepare_for_update(new, old)
    assert new["spec"]["clusterIP"] == "10.96.0.9"
    new["spec"].update(clusterIP="10.96.0.8", clusterIPs=["10.96.0.8"])
    assert errors(service.KIND, new, old) == ['spec.clusterIPs[0]: Invalid value: ["10.96.0.8"]: may not change once set']


def test_node_ports_stay_by_name_while_the_type_has_them() -> None:
    old = svc(
        type="NodePort", ports=[{"name": "a", "port": 80, "nodePort": 30001}, {"name": "b", "port": 81, "nodePort": 30002}]
    )
    new = svc(type="LoadBalancer", ports=[{"name": "b", "port": 82}, {"name": "c", "port": 83}])
    service.KIND.prepare_for_update(new, old)
    assert [port.get("nodePort") for port in new["spec"]["ports"]] == [30002, None]


@pytest.mark.parametrize("change", [{"type": "ClusterIP"}, {"type": "ExternalName", "externalName": "example.com"}])
def test_a_change_of_type_alone_is_valid(change: Json) -> None:
    ports = [{"port": 80, "nodePort": 30001}]
    old = svc(type="NodePort", ports=ports, clusterIP="10.96.0.9", clusterIPs=["10.96.0.9"])
    new = deepcopy(old)
    new["spec"].update(change)
    service.KIND.prepare_for_update(new, old)
    service.KIND.default(new)
    assert errors(service.KIND, new, old) == []
    assert "nodePort" not in new["spec"]["ports"][0]


def test_a_namespace_gets_its_label_finalizer_and_phase() -> None:
    obj = stored(namespace.KIND, {})
    assert obj["metadata"]["labels"] == {"kubernetes.io/metadata.name": "x"}
    assert (obj["spec"], obj["status"]) == ({"finalizers": ["kubernetes"]}, {"phase": "Active"})
    assert errors(namespace.KIND, obj) == []


def test_string_data_of_a_secret_goes_into_data() -> None:
    obj = stored(secret.KIND, {"stringData": {"a": "hi"}, "data": {"a": "eA==", "b": "eQ=="}})
    assert (obj["data"], obj["type"]) == ({"a": "aGk=", "b": "eQ=="}, "Opaque")
    assert "stringData" not in obj


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"type": "kubernetes.io/tls"}, ["data[tls.crt]: Required value", "data[tls.key]: Required value"]),
        ({"type": "kubernetes.io/ssh-auth"}, ["data[ssh-privatekey]: Required value"]),
        ({"data": {"a": "A" * (1024 * 1024 * 2)}}, ["data: Too long: may not be more than 1048576 bytes"]),
    ],
)
def test_errors_of_a_secret(body: Json, expected: list[str]) -> None:
    assert errors(secret.KIND, stored(secret.KIND, body)) == expected


def test_a_secrets_value_is_not_shown_in_an_error() -> None:
    obj = stored(secret.KIND, {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "hunter2"}})
    (error,) = errors(secret.KIND, obj)
    assert "hunter2" not in error
    assert "<secret contents redacted>" in error


@pytest.mark.parametrize("kind", [config_map.KIND, secret.KIND], ids=lambda kind: kind.kind)
def test_what_is_immutable_stays(kind: Kind) -> None:
    old = stored(kind, {"data": {"a": "YQ=="}, "immutable": True})
    new = deepcopy(old)
    new["data"] = {"a": "Yg=="}
    assert errors(kind, new, old) == ["data: Forbidden: field is immutable when `immutable` is set"]
    del new["immutable"]
    assert "immutable: Forbidden: field is immutable when `immutable` is set" in errors(kind, new, old)


def test_keys_of_a_config_map() -> None:
    (error,) = errors(config_map.KIND, stored(config_map.KIND, {"data": {"a b": ""}}))
    assert error.startswith('data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters')


def test_errors_of_an_endpoint_slice() -> None:
    body = {"addressType": "IPv4", "endpoints": [{"addresses": ["127.0.0.1"]}, {"addresses": ["fd00::1"]}, {"addresses": []}]}
    assert errors(endpoint_slice.KIND, stored(endpoint_slice.KIND, body)) == [
        'endpoints[0].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
        'endpoints[1].addresses[0]: Invalid value: "fd00::1": must be an IPv4 address',
        "endpoints[2].addresses: Required value: must contain at least 1 address",
    ]
    assert errors(endpoint_slice.KIND, stored(endpoint_slice.KIND, {"endpoints": []})) == ["addressType: Required value"]


def test_errors_of_a_node() -> None:
    taints = [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoSchedule"}, {"key": "b", "effect": "Never"}]
    found = errors(node.KIND, stored(node.KIND, {"spec": {"taints": taints}}))
    assert found[0].startswith("metadata.taints[1]: Duplicate value")
    assert found[1].startswith('metadata.taints[2].effect: Unsupported value: "Never"')
    old = stored(node.KIND, {"spec": {"podCIDR": "10.244.1.0/24"}})
    new = stored(node.KIND, {"spec": {"podCIDR": "10.244.2.0/24"}})
    assert errors(node.KIND, new, old) == [
        'spec.podCIDR: Forbidden: node updates may not change podCIDR except from "" to valid'
    ]


def test_the_two_views_of_an_event_are_one_object() -> None:
    core = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        "message": "hello",
        "reportingComponent": "kubelet",
        "count": 2,
        "source": {"component": "kubelet"},
    }
    shown = events_event.KIND.from_stored(core)
    assert (shown["apiVersion"], shown["regarding"]["name"], shown["note"]) == ("events.k8s.io/v1", "p", "hello")
    assert (shown["deprecatedCount"], shown["reportingController"]) == (2, "kubelet")
    assert "message" not in shown
    assert events_event.KIND.to_stored(shown) == core
    assert events_event.KIND.storage == event.KIND.resource
    assert events_event.KIND.field_selectors["regarding.name"](shown) == "p"
    assert event.KIND.field_selectors["involvedObject.name"](core) == "p"


def test_an_event_belongs_to_the_namespace_of_its_object() -> None:
    obj = stored(event.KIND, {"involvedObject": {"kind": "Pod", "namespace": "other", "name": "p"}})
    assert errors(event.KIND, obj) == ['involvedObject.namespace: Invalid value: "other": does not match event.namespace']


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"labels": {"a b": "c"}}, 'metadata.labels: Invalid value: "a b": name part must consist of alphanumeric characters'),
        ({"labels": {"a": "-"}}, 'metadata.labels: Invalid value: "-": a valid label must be an empty string or consist of'),
        ({"annotations": {"/x": ""}}, 'metadata.annotations: Invalid value: "/x": prefix part must be non-empty'),
        ({"annotations": {"a": "x" * 262144}}, "metadata.annotations: Too long: may not be more than 262144 bytes"),
        ({"name": ""}, "metadata.name: Required value: name or generateName is required"),
        (
            {"finalizers": ["plain"]},
            'metadata.finalizers[0]: Invalid value: "plain": name is neither a standard finalizer name',
        ),
        (
            {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p"}]},
            'metadata.ownerReferences[0].uid: Invalid value: "": must not be empty',
        ),
    ],
)
def test_errors_of_metadata(metadata: Json, expected: str) -> None:
    obj = stored(config_map.KIND, {})
    obj["metadata"].update(metadata)
    (error,) = errors(config_map.KIND, obj)
    assert error.startswith(expected)


def test_metadata_that_may_not_change() -> None:
    old = stored(config_map.KIND, {})
    old["metadata"].update(uid="1", deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["a/b"])
    new = deepcopy(old)
    new["metadata"].update(uid="2", finalizers=["a/b", "c/d"])
    assert errors(config_map.KIND, new, old) == [
        'metadata.uid: Invalid value: "2": field is immutable',
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers "
        '[]string{"c/d"}',
    ]
