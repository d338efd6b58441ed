"""Ingress, IngressClass and NetworkPolicy."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from master.api.kinds.ingress import KIND as INGRESS
from master.api.kinds.ingress_class import KIND as INGRESS_CLASS
from master.api.kinds.network_policy import KIND as NETWORK_POLICY
from tests.unit.master.api.kinds.made import Json, created, errors, updated

BACKEND: Json = {"service": {"name": "web", "port": {"number": 80}}}


def ingress(path: Json | None = None, **fields: Any) -> Json:
    item = {"path": "/", "pathType": "Prefix", "backend": BACKEND, **(path or {})}
    rule = {"host": "a.example.com", "http": {"paths": [{key: value for key, value in item.items() if value is not None}]}}
    return {"spec": {"rules": [rule], **fields}}


def test_a_plain_ingress_is_valid_and_has_a_generation() -> None:
    obj = created(INGRESS, ingress())
    assert errors(INGRESS, obj) == []
    assert obj["metadata"]["generation"] == 1
    assert updated(INGRESS, obj, spec={"defaultBackend": BACKEND})["metadata"]["generation"] == 2


PATH = "spec.rules[0].http.paths[0]"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ({"pathType": None}, f"{PATH}.pathType: Required value: pathType must be specified"),
        ({"path": "x"}, f'{PATH}.path: Invalid value: "x": must be an absolute path'),
        ({"path": "/a//b"}, f"{PATH}.path: Invalid value: \"/a//b\": must not contain '//'"),
        ({"path": "/a/.."}, f"{PATH}.path: Invalid value: \"/a/..\": cannot end with '/..'"),
        (
            {"pathType": "Regex"},
            f'{PATH}.pathType: Unsupported value: "Regex": supported values: "Exact", "ImplementationSpecific", "Prefix"',
        ),
        ({"backend": {}}, f'{PATH}.backend: Invalid value: "": resource or service backend is required'),
        ({"backend": {"service": {"name": "x"}}}, f"{PATH}.backend: Required value: port name or number is required"),
        (
            {"backend": {"service": {"name": "x", "port": {"name": "a", "number": 1}}}},
            f'{PATH}.backend: Invalid value: "": cannot set both port name & port number',
        ),
        ({"pathType": "ImplementationSpecific", "path": ""}, ""),
    ],
)
def test_paths(path: Json, expected: str) -> None:
    assert errors(INGRESS, created(INGRESS, ingress(path))) == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"),
        ({"rules": [{"host": "10.0.0.1"}]}, 'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP'),
        ({"rules": [{"host": "*.example.com"}]}, ""),
        ({"rules": [{"host": "a.*.com"}]}, 'spec.rules[0].host: Invalid value: "a.*.com": a wildcard DNS-1123 subdomain must'),
        ({"rules": [{"http": {}}]}, "spec.rules[0].http.paths: Required value"),
        ({"rules": [{}], "tls": [{"secretName": "A"}]}, 'spec.tls[0].secretName: Invalid value: "A": a lowercase RFC 1123'),
    ],
)  # fmt: skip
def test_rules_and_tls(spec: Json, expected: str) -> None:
    found = errors(INGRESS, created(INGRESS, {"spec": spec}))
    assert [text[: len(expected)] for text in found] == ([expected] if expected else [])


def test_the_old_annotation_is_warned_of_and_must_agree_with_the_class() -> None:
    obj = created(
        INGRESS, {**ingress(ingressClassName="a"), "metadata": {"annotations": {"kubernetes.io/ingress.class": "b"}}}
    )
    assert errors(INGRESS, obj)[0].endswith("must match `ingressClassName` when both are specified")
    assert list(INGRESS.warnings(obj, None)) == [
        "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"
    ]
    assert list(INGRESS.warnings(obj, obj)) == []


def test_an_ingress_s_status_is_checked() -> None:
    old = created(INGRESS, ingress())
    points = [{"ip": "x"}, {"hostname": "10.0.0.1"}, {"ip": "10.0.0.1"}, {"hostname": "lb.example.com"}]
    obj = {**deepcopy(old), "status": {"loadBalancer": {"ingress": points}}}
    assert [cause.field for cause in INGRESS.validate_status(obj, old)] == [
        "status.loadBalancer.ingress[0].ip",
        "status.loadBalancer.ingress[1].hostname",
    ]


def test_an_ingress_s_row() -> None:
    obj = created(INGRESS, ingress(ingressClassName="nginx", tls=[{"hosts": ["a"]}]))
    obj["spec"]["rules"] = [{"host": f"h{number}"} for number in range(5)]
    obj["status"] = {"loadBalancer": {"ingress": [{"ip": "10.0.0.2"}, {"ip": "10.0.0.1"}]}}
    assert INGRESS.row(obj, datetime.now(UTC)) == [
        "x", "nginx", "h0,h1,h2 + 2 more...", "10.0.0.1,10.0.0.2", "80, 443", "<unknown>",
    ]  # fmt: skip
    assert INGRESS.row(created(INGRESS, {"spec": {"defaultBackend": BACKEND}}), datetime.now(UTC))[1:5] == [
        "<none>", "*", "", "80",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"controller": "example.com/ingress"}, []),
        ({}, ["spec.controller: Required value"]),
        (
            {"controller": "x"},
            ['spec.controller: Invalid value: "x": must be a domain-prefixed path (such as "acme.io/foo")'],
        ),
        (
            {"controller": "example.com/c", "parameters": {"kind": "K", "name": "n", "scope": "Namespace"}},
            ["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
        ),
    ],
)
def test_ingress_classes(spec: Json, expected: list[str]) -> None:
    assert errors(INGRESS_CLASS, created(INGRESS_CLASS, {"spec": spec})) == expected


def test_an_ingress_class_s_controller_never_changes_and_its_parameters_are_the_cluster_s() -> None:
    spec = {"controller": "example.com/c", "parameters": {"apiGroup": "g.io", "kind": "K", "name": "n"}}
    old = created(INGRESS_CLASS, {"spec": spec})
    assert old["spec"]["parameters"]["scope"] == "Cluster"
    changed = updated(INGRESS_CLASS, old, spec={"controller": "example.com/d"})
    assert errors(INGRESS_CLASS, changed, old) == ['spec.controller: Invalid value: "example.com/d": field is immutable']
    assert INGRESS_CLASS.row(old, datetime.now(UTC))[:3] == ["x", "example.com/c", "K.g.io/n"]


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ({"podSelector": {}}, ["Ingress"]),
        ({"podSelector": {}, "egress": [{}]}, ["Ingress", "Egress"]),
        ({"podSelector": {}, "policyTypes": ["Egress"]}, ["Egress"]),
    ],
)
def test_policy_types_follow_from_the_rules(spec: Json, types: list[str]) -> None:
    obj = created(NETWORK_POLICY, {"spec": spec})
    assert obj["spec"]["policyTypes"] == types
    assert errors(NETWORK_POLICY, obj) == []


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"from": [{}]}, "spec.ingress[0].from[0]: Required value: must specify a peer"),
        (
            {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]},
            "spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer",
        ),
        ({"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}, ""),
        (
            {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]},
            'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
        ),
        (
            {"from": [{"ipBlock": {"cidr": "10.0.0.1"}}]},
            'spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.1": must be a valid CIDR value, '
            "(e.g. 10.9.8.0/24 or 2001:db8::/64)",
        ),
        (
            {"ports": [{"port": 80, "endPort": 70}]},
            "spec.ingress[0].ports[0].endPort: Invalid value: 70: must be greater than or equal to `port`",
        ),
        (
            {"ports": [{"endPort": 70}]},
            "spec.ingress[0].ports[0].endPort: Invalid value: 70: may not be specified when `port` is not specified",
        ),
        (
            {"ports": [{"protocol": "ICMP"}]},
            'spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"',
        ),
    ],
)
def test_rules_of_network_policies(rule: Json, expected: str) -> None:
    obj = created(NETWORK_POLICY, {"spec": {"podSelector": {}, "ingress": [rule]}})
    assert errors(NETWORK_POLICY, obj) == ([expected] if expected else [])


def test_a_network_policy_s_ports_are_tcp_and_its_generation_counts() -> None:
    spec = {"podSelector": {"matchLabels": {"a": "b"}}, "ingress": [{"ports": [{"port": 80}]}]}
    old = created(NETWORK_POLICY, {"spec": spec})
    assert old["spec"]["ingress"][0]["ports"] == [{"port": 80, "protocol": "TCP"}]
    assert updated(NETWORK_POLICY, old, spec=spec)["metadata"]["generation"] == 1
    assert updated(NETWORK_POLICY, old, spec={"podSelector": {}})["metadata"]["generation"] == 2
    assert NETWORK_POLICY.row(old, datetime.now(UTC))[1] == "a=b"
