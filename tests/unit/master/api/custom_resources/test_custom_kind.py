"""The kind of a custom resource: whatever comes in is pruned, defaulted, validated and printed without an exception."""

import asyncio
from copy import deepcopy
from datetime import UTC, datetime
from random import Random
from typing import Any

import orjson
import pytest

from master.api.custom_resources.conversion import ByName
from master.api.custom_resources.json_path import InvalidPath, compile_path, printed
from master.api.custom_resources.kind import MadeKind, make_kinds
from master.api.discovery.documents import Discovery, version_order
from master.api.kinds.registry import KINDS, Kinds
from master.api.openapi.documents import OpenApi
from master.api.schema.schemas import Schemas
from master.store.cached import CachedObject

Json = dict[str, Any]
TEXT = {"type": "string"}
SCHEMAS = Schemas(kind.definition for kind in KINDS)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def definition(**version: Any) -> Json:
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "x-kubernetes-validations": [{"rule": "!has(self.a) || !has(oldSelf.a) || self.a == oldSelf.a"}],
                "properties": {
                    "a": {"type": "integer", "default": 1},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    "template": {"type": "object", "x-kubernetes-embedded-resource": True,
                                 "x-kubernetes-preserve-unknown-fields": True},
                    "set": {"type": "array", "x-kubernetes-list-type": "set", "items": TEXT},
                    "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                            "items": {"type": "object", "required": ["k"], "properties": {"k": TEXT}}},
                    "labels": {"type": "object", "additionalProperties": TEXT},
                    "replicas": {"type": "integer"},
                    "port": {"x-kubernetes-int-or-string": True},
                },
            },
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }  # fmt: skip
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.s"}
    base = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}, "scale": scale},
        "selectableFields": [{"jsonPath": ".spec.a"}],
        "additionalPrinterColumns": [
            {"name": "A", "type": "integer", "jsonPath": ".spec.a"},
            {"name": "B", "type": "date", "jsonPath": ".spec.labels.when"},
            {"name": "C", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        ],
    }
    return {
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": ACCEPTED, "versions": [{**base, **version}]},
        "status": {"storedVersions": ["v1"]},
    }


ACCEPTED = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList", "shortNames": ["wd"]}


def made(**version: Any) -> MadeKind:
    (found,) = make_kinds(definition(**version), ACCEPTED, schemas=SCHEMAS, converter=ByName(), since=10)
    return found


def junk(random: Random, depth: int = 0) -> Any:
    scalars = (None, True, 0, -1, 2**53, 1.5, "", "a", "x" * 300, "2026-01-01T00:00:00Z", "%", "10.0.0.1")
    if depth > 3 or random.random() < 0.4:
        return random.choice(scalars)
    keys = ("a", "k", "spec", "status", "free", "template", "set", "map", "labels", "replicas", "metadata", "kind",
            "apiVersion", "name", "conditions", "type")  # fmt: skip
    if random.random() < 0.3:
        return [junk(random, depth + 1) for _ in range(random.choice((0, 1, 3)))]
    return {key: junk(random, depth + 1) for key in random.sample(keys, 5)}


@pytest.mark.parametrize("seed", range(5))
def test_no_body_raises(seed: int) -> None:
    random, one = Random(seed), made()
    kind, previous = one.kind, None
    for _ in range(60):
        body = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": random.choice(("a", "", "A/"))}}
        body |= {"spec": junk(random), "status": junk(random), "other": junk(random)}
        obj = one.normalize(body).object
        obj["metadata"]["namespace"] = "default"
        assert "other" not in obj
        updated = deepcopy(obj)
        kind.prepare_for_create(obj)
        kind.default(obj)
        kind.validate(obj, None)
        for prepare, validate in (
            (kind.prepare_for_update, kind.validate),
            (kind.prepare_for_status_update, kind.validate_status),
        ):
            changed, old = deepcopy(updated), previous or obj
            before = deepcopy(old)
            prepare(changed, old)
            kind.default(changed)
            validate(changed, old)
            kind.warnings(changed, old)
            assert old == before
        assert len(kind.row(obj, NOW)) == len(kind.columns) == 4
        assert all(isinstance(read(obj), str) for read in kind.field_selectors.values())
        orjson.dumps(obj)
        previous = obj


def test_status_and_spec_are_written_apart_and_counted() -> None:
    kind = made().kind
    old: Json = {"metadata": {"name": "x", "generation": 3, "labels": {"a": "b"}}, "spec": {"a": 1}, "status": {"s": "old"}}
    obj: Json = {"metadata": {"name": "x"}, "spec": {"a": 2}, "status": {"s": "new"}}
    updated = deepcopy(obj)
    kind.prepare_for_update(updated, old)
    assert (updated["spec"], updated["status"], updated["metadata"]["generation"]) == ({"a": 2}, {"s": "old"}, 4)
    status = deepcopy(obj)
    kind.prepare_for_status_update(status, old)
    assert (status["spec"], status["status"], status["metadata"]["labels"]) == ({"a": 1}, {"s": "new"}, {"a": "b"})
    unchanged: Json = {"metadata": {"name": "x"}, "spec": {}, "status": {}}
    kind.prepare_for_update(unchanged, old)
    assert unchanged["metadata"]["generation"] == 3, "a default that the client leaves out is no change"


def cached(revision: int, **spec: Any) -> CachedObject:
    body = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "x"}, "spec": spec}
    raw = orjson.dumps(body)
    return CachedObject("/registry/example.com/widgets/default/x", revision, raw, "default", "x", {})


def test_what_is_as_it_should_be_is_handed_out_as_it_is() -> None:
    conversion = made().kind.conversion
    assert conversion is not None
    new, old = cached(10), cached(9)
    objects = [new, new]
    assert asyncio.run(conversion.shown(objects)) is objects
    shown = asyncio.run(conversion.shown([new, old]))
    assert shown[0] is new
    assert orjson.loads(shown[1].raw)["spec"] == {"a": 1}
    assert asyncio.run(conversion.shown([old]))[0] is shown[1], "converted objects are remembered"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a", [1]), (".b.c", ["x"]), (".b['d.e']", [2]), (".l[0]", [{"n": 1, "t": "A"}]), (".l[-1].n", [3]),
        (".l[0:2].n", [1, 2]),
        (".l[*].n", [1, 2, 3]), ('.l[?(@.t=="B")].n', [2]), (".l[?(@.n>1)].t", ["B", "C"]), ("..n", [1, 2, 3]), (".z.y", []),
        (".b.*", ["x", 2]), (".l[0,2].n", [1, 3]), (".l[9]", []), (".", [None]),
    ],
)  # fmt: skip
def test_json_path(path: str, found: list[Any]) -> None:
    value = {
        "a": 1,
        "b": {"c": "x", "d.e": 2},
        "l": [{"n": 1, "t": "A"}, {"n": 2, "t": "B"}, {"n": 3, "t": "C"}],
    }
    assert compile_path(path)(value) == (found if path != "." else [value])


@pytest.mark.parametrize("path", ["a", "$.a", ".a[", ".a[?(x)]", ".a[1:2:0]", "{.a}"])
def test_what_is_no_json_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidPath):
        compile_path(path)


def test_cells_are_printed_as_kubectl_prints_them() -> None:
    assert [printed(value) for value in ("x", 1, True, [1, "a"], {"a": 1})] == ["x", "1", "true", '[1,"a"]', '{"a":1}']


def test_documents_follow_the_kinds_that_are_served() -> None:
    kinds = Kinds(KINDS)
    documents, discovery = OpenApi(kinds), Discovery(kinds)
    assert "apis/example.com/v1" not in documents.v3_tags()
    before = documents.generation
    kinds.serve("widgets.example.com", [made().kind])
    assert documents.generation != before
    assert discovery.group("example.com") is not None
    tags = documents.v3_tags()
    document = orjson.loads(documents.v3("apis/example.com/v1"))
    schema = document["components"]["schemas"]["com.example.v1.Widget"]
    assert schema["x-kubernetes-group-version-kind"] == [{"group": "example.com", "kind": "Widget", "version": "v1"}]
    assert schema["properties"]["spec"]["properties"]["a"] == {"type": "integer", "default": 1}
    assert schema["properties"]["metadata"]["allOf"][0]["$ref"].endswith("ObjectMeta")
    patch = document["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]
    version_2 = orjson.loads(documents.v2_json())
    assert version_2["definitions"]["com.example.v1.WidgetList"]["required"] == ["items"]
    assert "type" not in version_2["definitions"]["com.example.v1.Widget"]["properties"]["spec"]["properties"]["port"]
    assert "/apis/example.com/v1/widgets" in version_2["paths"]
    assert b"com.example.v1.Widget" in documents.v2_protobuf()
    kinds.serve("widgets.example.com", [made(subresources={}).kind])
    assert documents.v3_tags()["apis/example.com/v1"] != tags["apis/example.com/v1"]
    assert documents.v3_tags()["api/v1"] == tags["api/v1"]
    kinds.withdraw("widgets.example.com")
    assert "apis/example.com/v1" not in documents.v3_tags()
    assert b"com.example.v1.Widget" not in documents.v2_json()
    assert discovery.group("example.com") is None


def test_versions_are_ordered_as_kubernetes_prefers_them() -> None:
    names = ["foo1", "v1alpha1", "v1", "v2beta1", "v11", "v10beta3", "bar", "v2"]
    assert sorted(names, key=version_order) == ["v11", "v2", "v1", "v10beta3", "v2beta1", "v1alpha1", "bar", "foo1"]
