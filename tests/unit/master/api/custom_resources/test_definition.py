"""What a CustomResourceDefinition may be, with Kubernetes' paths and words; and that rubbish never raises."""

from copy import deepcopy
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from master.api.custom_resources.definition.validation import validate
from master.api.custom_resources.names import accept_names, status_of
from master.api.kinds.kind import Kind
from master.api.kinds.registry import KINDS

Json = dict[str, Any]
_FOUND = KINDS.get("apiextensions.k8s.io", "v1", "customresourcedefinitions")
assert _FOUND is not None
KIND: Kind = _FOUND
SCHEMA = "spec.validation.openAPIV3Schema"
TEXT = {"type": "string"}


def definition(schema: Json | None = None, **spec: Any) -> Json:
    """A right one, defaulted; `spec` replaces fields."""
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema or {"type": "object"}}}
    body: Json = {
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [version],
            **spec,
        },
    }
    KIND.prepare_for_create(body)
    KIND.default(body)
    return body


def told(body: Json, old: Json | None = None) -> list[tuple[str, str]]:
    return [(cause.field, cause.message) for cause in validate(body, old)]


def with_properties(**properties: Any) -> Json:
    return definition({"type": "object", "properties": properties})


def test_right_definition_is_accepted_and_defaulted() -> None:
    body = definition()
    assert told(body) == []
    assert body["spec"]["names"] == {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    assert body["spec"]["conversion"] == {"strategy": "None"}
    assert body["status"]["storedVersions"] == ["v1"]


@pytest.mark.parametrize(
    ("schema", "field", "message"),
    [
        ({"type": "array"}, f"{SCHEMA}.type", 'Invalid value: "array": must be object at the root'),
        ({}, "", ""),
        ({"properties": {"a": {}}}, f"{SCHEMA}.properties[a].type",
         "Required value: must not be empty for specified object fields"),
        ({"properties": {"a": {"type": "array"}}}, f"{SCHEMA}.properties[a].items", "Required value: must be specified"),
        ({"properties": {"a": {"type": "array", "items": {}}}}, f"{SCHEMA}.properties[a].items.type",
         "Required value: must not be empty for specified array items"),
        ({"additionalProperties": TEXT}, f"{SCHEMA}.additionalProperties", "Forbidden: must not be used at the root"),
        ({"properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}},
         f"{SCHEMA}.properties[metadata]",
         "Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified"),
        ({"properties": {"a": {"type": "string", "anyOf": [{"type": "string"}]}}}, f"{SCHEMA}.properties[a].anyOf[0].type",
         "Forbidden: must be empty to be structural"),
        ({"properties": {"a": TEXT}, "anyOf": [{"properties": {"b": {"pattern": "x"}}}]}, f"{SCHEMA}.properties[b]",
         f"Required value: because it is defined in {SCHEMA}.anyOf[0].properties[b]"),
        ({"properties": {"a": {"type": "string", "pattern": "("}}}, f"{SCHEMA}.properties[a].pattern",
         'Invalid value: "(": must be a valid regular expression, but isn\'t: error parsing regexp: missing ): ('),
        ({"properties": {"a": {"type": "text"}}}, f"{SCHEMA}.properties[a].type",
         'Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"'),
        ({"properties": {"a": {"type": "string", "default": 1}}}, f"{SCHEMA}.properties[a].default",
         f'Invalid value: "integer": {SCHEMA}.properties[a].default in body must be of type string: "integer"'),
        ({"properties": {"a": {"type": "object", "default": {"x": 1}}}}, f"{SCHEMA}.properties[a].default",
         'Invalid value: {"x":1}: must not have unknown fields'),
        ({"properties": {"a": {"type": "array", "items": TEXT, "uniqueItems": True}}}, f"{SCHEMA}.properties[a].uniqueItems",
         "Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"),
        ({"properties": {"a": {"type": "object", "properties": {"b": TEXT}, "additionalProperties": TEXT}}},
         f"{SCHEMA}.properties[a].additionalProperties",
         "Forbidden: additionalProperties and properties are mutual exclusive"),
        ({"properties": {"a": {"type": "array", "items": TEXT, "x-kubernetes-list-type": "map"}}},
         f"{SCHEMA}.properties[a].x-kubernetes-list-map-keys",
         "Required value: must not be empty if x-kubernetes-list-type is map"),
        ({"properties": {"a": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                               "items": {"type": "object", "properties": {"k": TEXT}}}}},
         f"{SCHEMA}.properties[a].items.properties[k].default",
         "Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required "
         "property"),
        ({"properties": {"a": {"type": "string", "$ref": "x"}}}, f"{SCHEMA}.properties[a].$ref",
         "Forbidden: $ref is not supported"),
        ({"x-kubernetes-preserve-unknown-fields": False}, f"{SCHEMA}.x-kubernetes-preserve-unknown-fields",
         "Invalid value: false: must be true or undefined"),
        ({"nullable": True}, f"{SCHEMA}.nullable", "Forbidden: nullable cannot be true at the root"),
        ({"properties": {"a": {"type": "string", "x-kubernetes-embedded-resource": True}}},
         f"{SCHEMA}.properties[a].type",
         'Invalid value: "string": must be object if x-kubernetes-embedded-resource is true'),
    ],
)  # fmt: skip
def test_wrong_schema_is_told_with_its_place(schema: Json, field: str, message: str) -> None:
    found = told(definition({"type": "object", **schema}))
    assert ((field, message) in found) if field else not found, found


@pytest.mark.parametrize(
    ("rule", "field", "message"),
    [
        ({"rule": " "}, "rule", "Required value: rule is not specified"),
        ({"rule": "self.x == 1"}, "rule", "undefined field 'x'"),
        ({"rule": "1 + 1"}, "rule", "cel expression must evaluate to a bool"),
        ({"rule": "true", "messageExpression": "1"}, "messageExpression", "messageExpression must evaluate to a string"),
        ({"rule": "true", "message": "a\nb"}, "message", "must not contain line breaks"),
        ({"rule": "true ||\n true"}, "message", "message must be specified if rule contains line breaks"),
        ({"rule": "true", "reason": "Because"}, "reason", 'Unsupported value: "Because"'),
        ({"rule": "true", "fieldPath": ".x"}, "fieldPath", "must be a valid path"),
        ({"rule": "true", "optionalOldSelf": True}, "optionalOldSelf", "may not be set if oldSelf is not used in rule"),
    ],
)
def test_wrong_rule_is_told(rule: Json, field: str, message: str) -> None:
    body = with_properties(spec={"type": "object", "properties": {"a": TEXT}, "x-kubernetes-validations": [rule]})
    ((where, text),) = told(body)
    assert where == f"{SCHEMA}.properties[spec].x-kubernetes-validations[0].{field}"
    assert message in text


def test_old_values_of_lists_without_keys_cannot_be_named() -> None:
    items = {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}
    ((where, text),) = told(with_properties(list={"type": "array", "items": items, "maxItems": 5}))
    assert where.endswith("items.x-kubernetes-validations[0].rule")
    assert f"oldSelf cannot be used on the uncorrelatable portion of the schema within {SCHEMA}.properties[list]" in text


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"group": "example"}, "spec.group", 'Invalid value: "example": should be a domain with at least one dot'),
        ({"scope": "Everywhere"}, "spec.scope", 'Unsupported value: "Everywhere": supported values: "Cluster", "Namespaced"'),
        ({"names": {"plural": "widgets", "kind": "Widget", "listKind": "Widget"}}, "spec.names.listKind",
         'Invalid value: "Widget": kind and listKind may not be the same'),
        ({"versions": []}, "spec.versions", "Invalid value: []: must have exactly one version marked as storage version"),
        ({"conversion": {"strategy": "Webhook"}}, "spec.conversion.webhookClientConfig",
         "Required value: required when strategy is set to Webhook"),
        ({"conversion": {"strategy": "None", "webhook": {"clientConfig": {}, "conversionReviewVersions": ["v1"]}}},
         "spec.conversion.webhookClientConfig", "Forbidden: should not be set when strategy is not set to Webhook"),
        ({"preserveUnknownFields": True}, "spec.preserveUnknownFields",
         "Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
         "spec.versions[*].schema instead"),
        ({"group": "x.k8s.io"}, "metadata.annotations[api-approved.kubernetes.io]",
         'Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see '
         "https://github.com/kubernetes/enhancements/pull/1111"),
    ],
)  # fmt: skip
def test_wrong_spec_is_told(changes: Json, field: str, message: str) -> None:
    assert (field, message) in told(definition(**changes))


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"additionalPrinterColumns": [{"name": "a", "type": "text", "jsonPath": ".a"}]},
         "spec.additionalPrinterColumns[0].type", "must be one of boolean,date,integer,number,string"),
        ({"additionalPrinterColumns": [{"name": "a", "type": "string", "jsonPath": "a"}]},
         "spec.additionalPrinterColumns[0].JSONPath", "must be a simple json path starting with ."),
        ({"subresources": {"scale": {"specReplicasPath": ".status.a", "statusReplicasPath": ".status.a"}}},
         "spec.subresources.scale.specReplicasPath", "should be a json path under .spec"),
        ({"selectableFields": [{"jsonPath": ".spec.x"}]}, "spec.selectableFields[0].jsonPath", "is an invalid path"),
        ({"deprecationWarning": "old"}, "spec.versions[0].deprecationWarning", "can only be set for deprecated versions"),
        ({"name": "V1"}, "spec.versions[0].name", "a DNS-1035 label must consist of"),
    ],
)  # fmt: skip
def test_wrong_version_is_told(changes: Json, field: str, message: str) -> None:
    body = definition()
    body["spec"]["versions"][0] |= changes
    assert any(where == field and message in text for where, text in told(body)), told(body)


def test_what_cannot_change_is_refused_once_established() -> None:
    old = definition()
    changed = definition(scope="Cluster", names={"plural": "widgets", "kind": "Other", "listKind": "OtherList"})
    assert told(changed, old) == []
    old["status"]["conditions"] = [{"type": "Established", "status": "True"}]
    assert [field for field, _ in told(changed, old)] == ["spec.scope", "spec.names.kind"]


def test_schemas_nested_too_deep_are_refused() -> None:
    schema: Json = {"type": "string"}
    for _ in range(200):
        schema = {"type": "object", "properties": {"a": schema}}
    assert told(definition(schema)) == [(SCHEMA, "Forbidden: schemas must not be nested deeper than 100 levels")]


def test_names_are_given_first_come_first_served() -> None:
    first, second = definition(), definition(names={"plural": "gadgets", "kind": "Widget", "shortNames": ["widget", "g"]})
    second["metadata"]["name"] = "gadgets.example.com"
    naming = accept_names(first, [first, second])
    assert naming.conflict is None
    first["status"] = status_of(first, naming, datetime(2026, 1, 1, tzinfo=UTC))
    assert [(c["type"], c["status"], c["reason"]) for c in first["status"]["conditions"]] == [
        ("NamesAccepted", "True", "NoConflicts"),
        ("Established", "True", "InitialNamesAccepted"),
    ]
    clash = accept_names(second, [first, second])
    assert clash.conflict == ("ListKindConflict", '"WidgetList" is already in use')
    assert clash.accepted == {"plural": "gadgets"}
    status = status_of(second, clash, datetime(2026, 1, 1, tzinfo=UTC))
    assert [(c["type"], c["status"]) for c in status["conditions"]] == [("NamesAccepted", "False"), ("Established", "False")]
    other_group = deepcopy(second)
    other_group["spec"]["group"] = "other.com"
    assert accept_names(other_group, [first, second]).conflict is None


def rubbish(random: Random, depth: int = 0) -> Any:
    """A schema that is wrong in many ways, though of the right JSON types."""
    schema: Json = {}
    texts = ("type", "format", "pattern", "title", "x-kubernetes-list-type", "x-kubernetes-map-type", "$ref")
    values = ("object", "array", "string", "integer", "null", "set", "map", "atomic", "(", "date-time", "")
    for name in texts:
        if random.random() < 0.3:
            schema[name] = random.choice(values)
    for name in ("maxLength", "minItems", "maxProperties", "minimum", "multipleOf"):
        if random.random() < 0.2:
            schema[name] = random.choice((0, -1, 5, 2**62))
    for name in ("nullable", "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string",
                 "x-kubernetes-preserve-unknown-fields", "exclusiveMinimum", "uniqueItems"):  # fmt: skip
        if random.random() < 0.2:
            schema[name] = random.choice((True, False))
    if random.random() < 0.3:
        schema["default"] = random.choice((1, "a", [1], {"a": {}}, False, [], {"metadata": 1}))
    if random.random() < 0.2:
        schema["enum"] = random.choice(([], [1], ["a", None, {}]))
    if random.random() < 0.3:
        rule = random.choice(
            ("self == oldSelf", "self.a > 1", "self.all(x, x)", "(", "", "has(self.a)", "self.metadata.name == ''")
        )
        schema["x-kubernetes-validations"] = [{"rule": rule, "fieldPath": random.choice(("", ".a", "x"))}]
    schema["x-kubernetes-list-map-keys"] = random.choice(([], ["a"], ["a", "a"]))
    schema["required"] = random.choice(([], ["a"]))
    if depth < 3:
        if random.random() < 0.6:
            schema["properties"] = {
                name: rubbish(random, depth + 1) for name in random.sample(("a", "b", "metadata", "kind"), 2)
            }
        for name in ("items", "additionalProperties", "not"):
            if random.random() < 0.3:
                schema[name] = rubbish(random, depth + 1)
        for name in ("allOf", "anyOf", "oneOf"):
            if random.random() < 0.2:
                schema[name] = [rubbish(random, depth + 1)]
    return schema


@pytest.mark.parametrize("seed", range(8))
def test_no_schema_raises(seed: int) -> None:
    random = Random(seed)
    for _ in range(25):
        schema = rubbish(random)
        if random.random() < 0.7:
            schema["type"] = "object"
        body = definition(schema)
        body["spec"]["versions"][0] |= {"subresources": {"status": {}}, "selectableFields": [{"jsonPath": ".a.b"}]}
        KIND.validate(body, None)
        KIND.validate(body, definition())
        KIND.warnings(body, None)


def rule_over(rule: str, **properties: Json) -> list[tuple[str, str]]:
    inside = {"type": "object", "properties": properties, "x-kubernetes-validations": [{"rule": rule}]}
    return told(with_properties(spec=inside))


def test_rules_over_endless_lists_are_refused_and_those_over_short_ones_accepted() -> None:
    rule = "self.l.all(a, self.l.all(b, a.contains(b)))"
    ((field, message),) = rule_over(rule, l={"type": "array", "items": TEXT})[:1]
    assert field == f"{SCHEMA}.properties[spec].x-kubernetes-validations[0].rule"
    assert message == (
        "Forbidden: estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding "
        "maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
    assert rule_over(rule, l={"type": "array", "maxItems": 20, "items": {"type": "string", "maxLength": 64}}) == []
    assert rule_over("self.l.all(a, a > 0)", l={"type": "array", "items": {"type": "integer"}}) == []
    assert rule_over("self.a.matches('^[a-z]+$') && self.a.size() < 10", a=TEXT) == []


def test_rules_inside_of_endless_lists_count_as_often_as_they_fit_into_a_request() -> None:
    item = {"type": "object", "properties": {"a": TEXT}, "x-kubernetes-validations": [{"rule": "self.a.contains('x')"}]}
    many = told(with_properties(list={"type": "array", "items": item}))
    assert any("estimated rule cost exceeds budget" in message for _, message in many)
    assert told(with_properties(list={"type": "array", "maxItems": 10, "items": item})) == []
