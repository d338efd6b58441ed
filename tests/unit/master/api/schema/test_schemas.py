"""Decoding as Kubernetes decodes: unknown fields, wrong types, nulls, canonical values."""

from typing import Any

import pytest

from master.api.schema.json_body import MalformedJson, decode_json
from master.api.schema.scalars import (
    InvalidScalar,
    canonical_micro_time,
    canonical_quantity,
    canonical_time,
)
from master.api.schema.schemas import Schemas, TypeMismatch

POD = "io.k8s.api.core.v1.Pod"
DEPLOYMENT = "io.k8s.api.apps.v1.Deployment"
SECRET = "io.k8s.api.core.v1.Secret"
SERVICE = "io.k8s.api.core.v1.Service"
INGRESS = "io.k8s.api.networking.v1.Ingress"
SCHEMAS = Schemas([POD, DEPLOYMENT, SECRET, SERVICE, INGRESS, "io.k8s.api.coordination.v1.Lease"])


def type_errors(definition: str, obj: Any) -> list[str]:
    try:
        SCHEMAS.normalize(definition, obj)
    except TypeMismatch as error:
        return [str(error)]
    return []


def test_a_valid_object_stays_as_it_is() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [{"name": "a"}]}}
    normalized = SCHEMAS.normalize(POD, pod)
    assert (normalized.object, normalized.unknown_fields) == (pod, [])
    assert normalized.object is not pod


def test_unknown_fields_are_dropped_and_named_by_their_path() -> None:
    deployment = {"spec": {"replica": 1, "template": {"spec": {"containers": [{"name": "a", "foo": None}]}}}, "x": {}}
    normalized = SCHEMAS.normalize(DEPLOYMENT, deployment)
    assert normalized.unknown_fields == ["spec.replica", "spec.template.spec.containers[0].foo", "x"]
    assert normalized.object == {"spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}}


def test_nulls_are_dropped_and_become_zero_values_in_lists_and_maps() -> None:
    pod: dict[str, Any] = {
        "metadata": {"creationTimestamp": None, "labels": {"a": None}},
        "spec": {"containers": [None], "nodeName": None},
        "status": None,
    }
    assert SCHEMAS.normalize(POD, pod).object == {"metadata": {"labels": {"a": ""}}, "spec": {"containers": [{"name": ""}]}}


def test_zero_values_of_nulls_are_nobody_elses() -> None:
    pod: dict[str, Any] = {"spec": {"containers": [None, None]}}
    first, second = SCHEMAS.normalize(POD, pod).object["spec"]["containers"]
    first["image"] = "a"
    assert second == {"name": ""}
    assert SCHEMAS.normalize(POD, pod).object["spec"]["containers"] == [{"name": ""}, {"name": ""}]


def test_fields_that_go_always_writes_are_there_when_they_are_unset() -> None:
    container: dict[str, Any] = {"lastState": {}, "state": {}}
    status: dict[str, Any] = {"conditions": [{"type": "Ready"}], "containerStatuses": [container]}
    normalized = SCHEMAS.normalize(POD, {"status": status}).object["status"]
    assert normalized["conditions"] == [{"type": "Ready", "status": ""}]
    assert normalized["containerStatuses"] == [
        {**container, "name": "", "ready": False, "restartCount": 0, "image": "", "imageID": ""}
    ]
    assert status["conditions"] == [{"type": "Ready"}]


def test_required_pointers_lists_and_objects_stay_away_when_they_are_unset() -> None:
    ingress = {"spec": {"rules": [{"http": {"paths": [{"path": "/"}]}}]}}
    assert SCHEMAS.normalize(INGRESS, ingress).object == ingress
    assert SCHEMAS.normalize(POD, {"spec": {}}).object == {"spec": {}}


@pytest.mark.parametrize(
    ("definition", "obj", "text"),
    [
        (
            DEPLOYMENT,
            {"spec": {"replicas": "three"}},
            "string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            DEPLOYMENT,
            {"spec": {"replicas": 1.5}},
            "number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            DEPLOYMENT,
            {"spec": {"replicas": 2**31}},
            "number 2147483648 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (DEPLOYMENT, {"spec": []}, "array into Go struct field Deployment.spec of type v1.DeploymentSpec"),
        (POD, {"metadata": {"labels": {"a": 1}}}, "number into Go struct field ObjectMeta.metadata.labels of type string"),
        (POD, {"spec": {"containers": {}}}, "object into Go struct field PodSpec.spec.containers of type []v1.Container"),
        (POD, {"spec": {"hostNetwork": "yes"}}, "string into Go struct field PodSpec.spec.hostNetwork of type bool"),
        (
            POD,
            {"spec": {"containers": [{"env": [{"name": "a", "value": True}]}]}},
            "bool into Go struct field EnvVar.spec.containers.env.value of type string",
        ),
        (SERVICE, {"spec": {"ports": [{"targetPort": True}]}}, "bool into Go value of type int32"),
    ],
)
def test_a_wrong_type_is_named_as_kubernetes_decoder_names_it(definition: str, obj: Any, text: str) -> None:
    assert type_errors(definition, obj) == [f"json: cannot unmarshal {text}"]


def test_secrets_must_be_base64() -> None:
    assert type_errors(SECRET, {"data": {"a": "aGk="}}) == []
    assert type_errors(SECRET, {"data": {"a": "not base64!"}}) == ["illegal base64 data at input byte 3"]


def test_int_or_string_takes_both() -> None:
    ports = [{"port": 1, "targetPort": "http"}, {"port": 2, "targetPort": 80}]
    assert SCHEMAS.normalize(SERVICE, {"spec": {"ports": ports}}).object == {"spec": {"ports": ports}}


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1", "1"), ("0.5", "500m"), ("1000m", "1"), ("1500m", "1500m"), ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"),
        ("1000Ki", "1000Ki"),
        ("1000k", "1M"), ("0", "0"), ("0Mi", "0"), ("1e3", "1e3"), ("2000", "2k"), ("100Mi", "100Mi"), ("1E", "1E"),
        ("-0.5", "-500m"),
        ("0.1n", "1n"), ("512", "512"), ("0.5Ki", "512"),
    ],
)  # fmt: skip
def test_quantities_get_their_canonical_form(text: str, canonical: str) -> None:
    assert canonical_quantity(text) == canonical


@pytest.mark.parametrize("text", ["", "x", "1Zi", "1 Gi", "--1", "1mm"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(InvalidScalar, match="quantities must match the regular expression"):
        canonical_quantity(text)


def test_numbers_are_quantities_too() -> None:
    resources = {"limits": {"cpu": 1, "memory": "1024Mi"}, "requests": {"cpu": 0.5}}
    pod = {"spec": {"containers": [{"name": "a", "resources": resources}]}}
    normalized = SCHEMAS.normalize(POD, pod).object["spec"]["containers"][0]["resources"]
    assert normalized == {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}


def test_times_are_kept_in_utc() -> None:
    assert canonical_time("2026-01-02T03:04:05+01:00") == "2026-01-02T02:04:05Z"
    assert canonical_time("2026-01-02T03:04:05.6Z") == "2026-01-02T03:04:05Z"
    assert canonical_micro_time("2026-01-02T03:04:05Z") == "2026-01-02T03:04:05.000000Z"
    for wrong in ("yesterday", "2026-13-01T00:00:00Z", "2026-01-02"):
        with pytest.raises(InvalidScalar, match="parsing time"):
            canonical_time(wrong)


def test_a_wrong_time_or_quantity_ends_the_walk() -> None:
    with pytest.raises(TypeMismatch):
        SCHEMAS.normalize(POD, {"metadata": {"creationTimestamp": "soon"}})
    with pytest.raises(TypeMismatch):
        SCHEMAS.normalize(POD, {"spec": {"overhead": {"cpu": True}}})


def test_duplicate_fields_are_found_at_any_depth() -> None:
    body = b'{"spec": {"replicas": 1, "replicas": 2, "list": [{"a": 1, "a": 1, "a": 2}]}, "spec2": 1}'
    value, duplicates = decode_json(body)
    assert value["spec"]["replicas"] == 2
    assert duplicates == ["spec.replicas", "spec.list[0].a"]


def test_a_compact_body_without_duplicates_has_none() -> None:
    assert decode_json(b'{"a":1,"b":["x"]}') == ({"a": 1, "b": ["x"]}, [])
    assert decode_json(b'{ "a": "\\u003c" }') == ({"a": "<"}, [])


@pytest.mark.parametrize("body", [b"", b"{", b'{"a":NaN}', b"\xff", b'{"a":1}}', b"[" * 100_000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedJson):
        decode_json(body)


def test_what_is_empty_is_left_out_as_by_go() -> None:
    metadata: dict[str, Any] = {"labels": {}, "annotations": {}, "managedFields": []}
    spec: dict[str, Any] = {"containers": [], "volumes": [], "nodeSelector": {}, "securityContext": {}}
    got = SCHEMAS.normalize("io.k8s.api.core.v1.Pod", {"metadata": metadata, "spec": spec}).object
    assert got == {"metadata": {"managedFields": []}, "spec": {"containers": [], "securityContext": {}}}
