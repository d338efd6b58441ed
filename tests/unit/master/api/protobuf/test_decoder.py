"""Kubernetes' protobuf: an object written field by field here comes out as its JSON."""

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.api.protobuf.decoder import MalformedProtobuf, decode_protobuf


def varint(number: int) -> bytes:
    out = bytearray()
    number &= (1 << 64) - 1
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def body(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\0" + field(1, field(1, api_version) + field(2, kind)) + field(2, raw)


def test_a_pod_with_inlined_fields_maps_quantities_and_times() -> None:
    metadata = field(1, "p") + field(2, "") + field(8, b"") + field(11, field(1, "app") + field(2, "web"))
    limits = field(1, field(1, "cpu") + field(2, field(1, "100m")))
    get = field(2, field(1, "/healthz") + field(2, field(1, 0) + field(2, 8080)) + field(4, ""))
    probe = field(1, get) + field(2, 0) + field(3, 5)
    container = field(1, "c") + field(2, "busybox") + field(8, limits) + field(10, probe)
    volume = field(1, "data") + field(2, field(2, field(1, "Memory")))
    spec = field(1, volume) + field(2, container) + field(4, 0) + field(11, 0)
    decoded = decode_protobuf(body("v1", "Pod", field(1, metadata) + field(2, spec)))
    assert decoded == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "labels": {"app": "web"}},
        "spec": {
            "volumes": [{"name": "data", "emptyDir": {"medium": "Memory"}}],
            "containers": [
                {
                    "name": "c",
                    "image": "busybox",
                    "resources": {"limits": {"cpu": "100m"}},
                    "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "timeoutSeconds": 5},
                }
            ],
            # A pointer in Go: zero was written on purpose; hostNetwork is none: its zero means that it was not.
            "terminationGracePeriodSeconds": 0,
        },
    }


def test_a_secret_s_bytes_are_base64() -> None:
    raw = field(2, field(1, "k") + field(2, b"\x00\xff")) + field(3, "Opaque")
    assert decode_protobuf(body("v1", "Secret", raw))["data"] == {"k": base64.b64encode(b"\x00\xff").decode()}


def test_a_negative_number_and_a_named_port() -> None:
    port = field(3, -1) + field(4, field(1, 1) + field(3, "http"))
    decoded = decode_protobuf(body("v1", "Service", field(2, field(1, port))))
    assert decoded["spec"]["ports"] == [{"port": -1, "targetPort": "http"}]


def test_groups_have_their_own_messages() -> None:
    review = decode_protobuf(body("authorization.k8s.io/v1", "SelfSubjectAccessReview", field(2, field(2, field(1, "/api")))))
    assert review["spec"] == {"nonResourceAttributes": {"path": "/api"}}
    assert decode_protobuf(body("apps/v1", "DeleteOptions", field(1, 0)))["gracePeriodSeconds"] == 0


def test_unknown_fields_are_skipped() -> None:
    strange = field(900, "x") + varint(901 << 3 | 1) + struct.pack("<d", 1.0) + varint(902 << 3 | 5) + b"abcd"
    assert decode_protobuf(body("v1", "ConfigMap", strange)) == {"apiVersion": "v1", "kind": "ConfigMap"}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"k8s\0",
        b"k8s\0\xff",
        body("v1", "Nothing", b""),
        body("v1", "ConfigMap", field(1, 5)),
        body("v1", "ConfigMap", b"\x0a\x7fshort"),
        body("v1", "ConfigMap", b"\xff" * 20),
        body("v1", "ConfigMap", b"\x0b"),
        body("v1", "ConfigMap", field(1, field(1, b"\xff"))),
        b"k8s\0" + field(3, "gzip"),
    ],
)
def test_what_is_malformed_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedProtobuf):
        decode_protobuf(raw)


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything_else(raw: bytes) -> None:
    for kind in ("Pod", "Node", "Event"):
        try:
            decode_protobuf(body("v1", kind, raw))
        except MalformedProtobuf:
            continue


def test_a_definition_s_schema_or_something_else_is_what_was_written() -> None:
    text = field(5, "string")
    properties = field(29, field(1, "free") + field(2, field(30, field(1, 1))))
    properties += field(29, field(1, "typed") + field(2, field(30, field(1, 0) + field(2, text))))
    properties += field(29, field(1, "closed") + field(2, field(30, field(1, 0))))
    properties += field(29, field(1, "list") + field(2, field(24, field(1, text)) + field(8, field(1, b'{"a":1}'))))
    rule = field(44, field(1, "self.a > 1"))
    version = field(1, "v1") + field(4, field(1, field(5, "object") + properties + rule)) + field(5, field(1, b""))
    decoded = decode_protobuf(body("apiextensions.k8s.io/v1", "CustomResourceDefinition", field(2, field(7, version))))
    schema = decoded["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert schema["properties"] == {
        "free": {"additionalProperties": True},
        "typed": {"additionalProperties": {"type": "string"}},
        "closed": {"additionalProperties": False},
        "list": {"items": {"type": "string"}, "default": {"a": 1}},
    }
    assert schema["x-kubernetes-validations"] == [{"rule": "self.a > 1"}]
    assert decoded["spec"]["versions"][0]["subresources"] == {"status": {}}


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
        ("apiregistration.k8s.io/v1", "APIService"),
        ("autoscaling/v2", "HorizontalPodAutoscaler"),
        ("batch/v1", "CronJob"),
        ("certificates.k8s.io/v1", "CertificateSigningRequest"),
        ("node.k8s.io/v1", "RuntimeClass"),
        ("policy/v1", "PodDisruptionBudget"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("storage.k8s.io/v1", "CSINode"),
    ],
)
def test_every_stable_group_is_known(api_version: str, kind: str) -> None:
    assert decode_protobuf(body(api_version, kind, field(1, field(1, "n"))))["metadata"] == {"name": "n"}
