"""The OpenAPI documents, as their readers read them."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from master.api.kinds.registry import KINDS
from master.api.openapi.documents import OpenApi
from master.api.openapi.v3 import openapi_v3

Json = dict[str, Any]


@pytest.fixture(scope="module")
def documents() -> OpenApi:
    return OpenApi(KINDS)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref" and isinstance(item, str):
                yield item
            else:
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_every_reference_of_version_2_leads_somewhere(documents: OpenApi) -> None:
    document = orjson.loads(documents.v2_json())
    assert document["swagger"] == "2.0"
    found = set(references(document))
    assert found
    assert found <= {f"#/definitions/{name}" for name in document["definitions"]}


def test_every_reference_of_version_3_leads_somewhere(documents: OpenApi) -> None:
    paths = {path: documents.v3(path) for path in documents.v3_tags()}
    assert set(paths) >= {"api/v1", "apis/apps/v1", "apis/discovery.k8s.io/v1"}
    for encoded in paths.values():
        document = orjson.loads(encoded)
        found = set(references(document))
        assert found
        assert found <= {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


def test_a_patch_says_what_it_is_of_and_that_it_validates_fields(documents: OpenApi) -> None:
    documents.v3_tags()
    patch = orjson.loads(documents.v3("apis/apps/v1"))["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"][
        "patch"
    ]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]


def test_definitions_keep_prose_kind_and_patch_strategy(documents: OpenApi) -> None:
    schemas = orjson.loads(documents.v2_json())["definitions"]
    pod, spec = schemas["io.k8s.api.core.v1.Pod"], schemas["io.k8s.api.core.v1.PodSpec"]
    assert pod["x-kubernetes-group-version-kind"] == [{"group": "", "kind": "Pod", "version": "v1"}]
    assert pod["description"].startswith("Pod is a collection of containers")
    containers = spec["properties"]["containers"]
    assert (containers["type"], containers["x-kubernetes-patch-merge-key"]) == ("array", "name")
    assert "enum" not in pod["properties"]["kind"]


def test_operation_ids_are_unique(documents: OpenApi) -> None:
    paths = orjson.loads(documents.v2_json())["paths"]
    ids = [item[method]["operationId"] for item in paths.values() for method in item if method != "parameters"]
    assert len(ids) == len(set(ids))


def test_one_document_by_itself_is_the_same(documents: OpenApi) -> None:
    documents.v3_tags()
    assert orjson.loads(openapi_v3(KINDS, "apps", "v1")) == orjson.loads(documents.v3("apis/apps/v1"))


def fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """A reader of protobuf's wire format, independent of the writer."""
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while position < len(message):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            assert key & 7 == 2
            length = varint()
            yield key >> 3, message[position : position + length]
            position += length


def parts(message: bytes, *path: int) -> list[bytes]:
    """All messages or strings at a path of field numbers."""
    found = [message]
    for number in path:
        found = [value for part in found for field, value in fields(part) if field == number and isinstance(value, bytes)]
    return found


def test_the_protobuf_form_says_the_same(documents: OpenApi) -> None:
    document, encoded = orjson.loads(documents.v2_json()), documents.v2_protobuf()
    assert parts(encoded, 1) == [b"2.0"]
    assert [name.decode() for name in parts(encoded, 8, 2, 1)] == list(document["paths"])
    assert [name.decode() for name in parts(encoded, 9, 1, 1)] == list(document["definitions"])
    properties = {
        parts(schema, 1)[0].decode(): [name.decode() for name in parts(schema, 2, 25, 1, 1)] for schema in parts(encoded, 9, 1)
    }
    assert properties == {name: list(schema.get("properties", {})) for name, schema in document["definitions"].items()}
    extensions = {name.decode() for extension in parts(encoded, 9, 1, 2, 31) for name in parts(extension, 1)}
    assert "x-kubernetes-group-version-kind" in extensions
