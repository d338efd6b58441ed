"""Structural schemas at work: validation of values, pruning, defaulting, list types, in Kubernetes' words."""

from copy import deepcopy
from typing import Any

import pytest

from master.api.custom_resources.structural.defaulting import default_object
from master.api.custom_resources.structural.formats import fits
from master.api.custom_resources.structural.list_types import validate_list_types
from master.api.custom_resources.structural.pruning import prune
from master.api.custom_resources.structural.values import validate_value

Json = dict[str, Any]


def spec(**schema: Any) -> Json:
    return {"type": "object", "properties": {"spec": schema}}


def told(value: Any, schema: Json, *old: Any) -> list[tuple[str, str, str]]:
    before = ({"spec": old[0]},) if old else ()
    causes = validate_value({"spec": value}, spec(**schema), "", *before)
    return [(cause.field, cause.reason.removeprefix("FieldValue"), cause.message) for cause in causes]


@pytest.mark.parametrize(
    ("value", "schema", "field", "reason", "message"),
    [
        ("a", {"type": "integer"}, "spec", "TypeInvalid",
         'Invalid value: "string": spec in body must be of type integer: "string"'),
        (1.5, {"type": "integer"}, "spec", "TypeInvalid",
         'Invalid value: "number": spec in body must be of type integer: "number"'),
        (None, {"type": "string"}, "spec", "TypeInvalid",
         'Invalid value: "null": spec in body must be of type string: "null"'),
        (True, {"x-kubernetes-int-or-string": True}, "spec", "TypeInvalid",
         'Invalid value: "boolean": spec in body must be of type integer,string: "boolean"'),
        ("z", {"type": "string", "enum": ["a", "b"]}, "spec", "NotSupported",
         'Unsupported value: "z": supported values: "a", "b"'),
        (0, {"type": "integer", "minimum": 1}, "spec", "Invalid",
         "Invalid value: 0: spec in body should be greater than or equal to 1"),
        (1, {"type": "integer", "minimum": 1, "exclusiveMinimum": True}, "spec", "Invalid",
         "Invalid value: 1: spec in body should be greater than 1"),
        (2.5, {"type": "number", "maximum": 2}, "spec", "Invalid",
         "Invalid value: 2.5: spec in body should be less than or equal to 2"),
        (7, {"type": "integer", "multipleOf": 2}, "spec", "Invalid",
         "Invalid value: 7: spec in body should be a multiple of 2"),
        ("abc", {"type": "string", "maxLength": 2}, "spec", "TooLong", "Too long: may not be more than 2 bytes"),
        ("", {"type": "string", "minLength": 1}, "spec", "Invalid",
         'Invalid value: "": spec in body should be at least 1 chars long'),
        ("B", {"type": "string", "pattern": "^[a-z]+$"}, "spec", "Invalid",
         "Invalid value: \"B\": spec in body should match '^[a-z]+$'"),
        ("x", {"type": "string", "format": "date-time"}, "spec", "TypeInvalid",
         'Invalid value: "x": spec in body must be of type date-time: "x"'),
        ([1, 2], {"type": "array", "maxItems": 1, "items": {"type": "integer"}}, "spec", "TooMany",
         "Too many: 2: must have at most 1 items"),
        ([], {"type": "array", "minItems": 1, "items": {"type": "integer"}}, "spec", "Invalid",
         "Invalid value: 0: spec in body should have at least 1 items"),
        ({}, {"type": "object", "required": ["a"]}, "spec.a", "Required", "Required value"),
        ({"a": 1, "b": 2}, {"type": "object", "maxProperties": 1, "additionalProperties": {"type": "integer"}}, "spec",
         "TooMany", "Too many: 2: must have at most 1 items"),
        ([{"a": "x"}], {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "integer"}}}}, "spec[0].a",
         "TypeInvalid", 'Invalid value: "string": spec[0].a in body must be of type integer: "string"'),
        ({"k": 1}, {"type": "object", "additionalProperties": {"type": "string"}}, "spec.k", "TypeInvalid",
         'Invalid value: "integer": spec.k in body must be of type string: "integer"'),
    ],
)  # fmt: skip
def test_wrong_value_is_told_as_kubernetes_does(value: Any, schema: Json, field: str, reason: str, message: str) -> None:
    assert told(value, schema) == [(field, reason, message)]


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (1, {"type": "number"}),
        (5.0, {"type": "integer"}),
        (None, {"type": "string", "nullable": True}),
        ("80%", {"x-kubernetes-int-or-string": True}),
        ("é" * 5, {"type": "string", "maxLength": 5}),
        ("anything", {"type": "string", "format": "unheard-of"}),
        ({"any": [1, {"x": None}]}, {"x-kubernetes-preserve-unknown-fields": True}),
        ("b", {"type": "string", "oneOf": [{"pattern": "a"}, {"pattern": "b"}]}),
        ("c", {"type": "string", "not": {"enum": ["a"]}, "allOf": [{"minLength": 1}]}),
    ],
)
def test_right_value_is_accepted(value: Any, schema: Json) -> None:
    assert told(value, schema) == []


@pytest.mark.parametrize(
    ("value", "schema", "message"),
    [
        ("x", {"anyOf": [{"pattern": "a"}, {"pattern": "b"}]}, '"spec" must validate at least one schema (anyOf)'),
        ("x", {"oneOf": [{"pattern": "a"}]}, '"spec" must validate one and only one schema (oneOf). Found none valid'),
        ("ab", {"oneOf": [{"pattern": "a"}, {"pattern": "b"}]},
         '"spec" must validate one and only one schema (oneOf). Found 2 valid alternatives'),
        ("x", {"allOf": [{"pattern": "a"}]}, '"spec" must validate all the schemas (allOf)'),
        ("a", {"not": {"pattern": "a"}}, '"spec" must not validate the schema (not)'),
    ],
)  # fmt: skip
def test_logic_is_told_without_a_field(value: str, schema: Json, message: str) -> None:
    assert told(value, {"type": "string", **schema})[0] == ("<nil>", "Invalid", f'Invalid value: "": {message}')


def test_what_an_update_leaves_as_it_was_is_not_looked_at_again() -> None:
    schema = {
        "type": "object",
        "properties": {
            "old": {"type": "string", "maxLength": 1},
            "list": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["k"],
                "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer", "minimum": 5}}},
            },
            "atomic": {"type": "array", "items": {"type": "integer", "minimum": 5}},
        },
    }
    before = {"old": "long", "list": [{"k": "a", "v": 1}], "atomic": [1]}
    assert told({**before, "new": True}, schema, before) == []
    moved = {"old": "long", "list": [{"k": "b", "v": 9}, {"k": "a", "v": 1}], "atomic": [1]}
    assert told(moved, schema, before) == []
    changed = {"old": "longer", "list": [{"k": "a", "v": 2}], "atomic": [1, 1]}
    assert [field for field, _, _ in told(changed, schema, before)] == [
        "spec.old", "spec.list[0].v", "spec.atomic[0]", "spec.atomic[1]",
    ]  # fmt: skip


def test_pattern_cannot_hang_the_api() -> None:
    assert told("a" * 20_000 + "!", {"type": "string", "pattern": "^(a+)+$"})


def test_errors_of_one_object_are_bounded() -> None:
    schema = {"type": "array", "items": {"type": "string"}}
    assert len(told(list(range(5_000)), schema)) <= 100


def test_unknown_fields_are_pruned_and_reported() -> None:
    schema = spec(
        type="object",
        properties={
            "known": {"type": "object", "properties": {"a": {"type": "integer"}}},
            "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "integer"}}}},
            "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {"type": "integer"}}}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {
                "known": {"type": "object", "properties": {"a": {"type": "integer"}}}}},
            "embedded": {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": {"type": "object"}}},
        },
    )  # fmt: skip
    obj = {
        "apiVersion": "v1", "kind": "X", "metadata": {"name": "x", "odd": 1}, "top": 1,
        "spec": {
            "known": {"a": 1, "b": 2}, "list": [{"a": 1}, {"c": 1}], "map": {"k": {"a": 1, "d": 1}},
            "free": {"x": {"y": 1}, "known": {"a": 1, "e": 1}},
            "embedded": {"apiVersion": "v1", "kind": "Y", "metadata": {"name": "y"}, "f": 1},
        },
    }  # fmt: skip
    assert prune(obj, schema) == [
        "spec.embedded.f", "spec.free.known.e", "spec.known.b", "spec.list[1].c", "spec.map.k.d", "top",
    ]  # fmt: skip
    assert obj["spec"] == {
        "known": {"a": 1}, "list": [{"a": 1}, {}], "map": {"k": {"a": 1}}, "free": {"x": {"y": 1}, "known": {"a": 1}},
        "embedded": {"apiVersion": "v1", "kind": "Y", "metadata": {"name": "y"}},
    }  # fmt: skip
    assert obj["metadata"] == {"name": "x", "odd": 1}


def test_absent_fields_get_their_defaults_from_the_outside_to_the_inside() -> None:
    schema = spec(
        type="object",
        default={"a": 7},
        properties={
            "a": {"type": "integer", "default": 1},
            "b": {"type": "object", "default": {}, "properties": {"c": {"type": "string", "default": "x"}}},
            "none": {"type": "object", "properties": {"d": {"type": "string", "default": "x"}}},
            "nullable": {"type": "string", "nullable": True, "default": "x"},
            "null": {"type": "string", "default": "x"},
            "dropped": {"type": "string"},
            "items": {"type": "array", "items": {"type": "object", "properties": {"e": {"type": "integer", "default": 3}}}},
        },
    )
    empty: Json = {}
    default_object(empty, schema)
    assert empty == {"spec": {"a": 7, "b": {"c": "x"}, "nullable": "x", "null": "x"}}
    given: Json = {"spec": {"nullable": None, "null": None, "dropped": None, "items": [{}, {"e": 1}]}}
    default_object(given, schema)
    assert given["spec"] == {"a": 1, "b": {"c": "x"}, "nullable": None, "null": "x", "items": [{"e": 3}, {"e": 1}]}
    again = deepcopy(given)
    default_object(again, schema)
    assert again == given
    given["spec"]["b"]["c"] = "changed"
    assert schema["properties"]["spec"]["properties"]["b"]["default"] == {}


def test_elements_of_sets_and_keys_of_maps_differ() -> None:
    schema = spec(
        type="object",
        properties={
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "map": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["a", "b"],
                "items": {"type": "object"},
            },
        },
    )
    value = {"spec": {"set": ["x", "y", "x", "x"], "map": [{"a": 1, "b": 2}, {"a": 1}, {"b": 2, "a": 1, "c": 3}]}}
    assert [(cause.field, cause.message) for cause in validate_list_types(value, schema)] == [
        ("spec.set[2]", 'Duplicate value: "x"'),
        ("spec.map[2]", 'Duplicate value: {"a":1,"b":2}'),
    ]


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("ipv4", "10.0.0.1", "10.0.0.256"), ("ipv6", "::1", "::g"), ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567"), ("date", "2026-02-28", "2026-02-30"),
        ("date-time", "2026-01-01T00:00:00Z", "2026-01-01"), ("duration", "1h30m", "1 parsec"), ("byte", "aGk=", "a!"),
        ("email", "a@example.com", "a.example.com"), ("hostname", "a.example.com", "-a"), ("uri", "https://a/b", "a b"),
        ("mac", "01:23:45:67:89:ab", "01:23:45"), ("hexcolor", "#ff00aa", "#gg0000"), ("rgbcolor", "rgb(1,2,3)", "rgb(1,2)"),
        ("isbn10", "0306406152", "0306406153"), ("isbn13", "9780306406157", "9780306406158"), ("ssn", "123-45-6789", "12-3"),
        ("creditcard", "4111 1111 1111 1111", "4111 1111 1111 1112"), ("bsonobjectid", "5" * 24, "5" * 23),
    ],
)  # fmt: skip
def test_formats(name: str, right: str, wrong: str) -> None:
    assert fits(name, right)
    assert not fits(name, wrong)
