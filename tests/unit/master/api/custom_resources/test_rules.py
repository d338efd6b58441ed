"""x-kubernetes-validations at work: messages, transition rules, ratcheting, budgets."""

from typing import Any

import pytest

from master.api.cel.cost import Budget
from master.api.custom_resources.rules.field_path import InvalidFieldPath, resolve
from master.api.custom_resources.rules.validator import Validator
from master.api.custom_resources.structural.values import NOTHING

Json = dict[str, Any]


def spec(*rules: Json, **properties: Json) -> Json:
    inside = {"type": "object", "properties": properties, "x-kubernetes-validations": list(rules)}
    return {"type": "object", "properties": {"spec": inside}}


def told(schema: Json, value: Json, old: Any = NOTHING, budget: Budget | None = None) -> list[tuple[str, str, str]]:
    validator = Validator.make(schema, is_root=True)
    assert validator is not None
    before = old if old is NOTHING else {"spec": old}
    causes = validator.validate({"spec": value}, before, budget=budget)
    return [(cause.field, cause.reason.removeprefix("FieldValue"), cause.message) for cause in causes]


INTEGER, TEXT = {"type": "integer"}, {"type": "string"}


@pytest.mark.parametrize(
    ("rule", "field", "reason", "message"),
    [
        ({"rule": "self.a > 5"}, "spec", "Invalid", 'Invalid value: "object": failed rule: self.a > 5'),
        ({"rule": "self.a > 5", "message": "too small"}, "spec", "Invalid", 'Invalid value: "object": too small'),
        ({"rule": "self.a > 5", "messageExpression": "'%d is too small'.format([self.a])", "message": "other"},
         "spec", "Invalid", 'Invalid value: "object": 1 is too small'),
        ({"rule": "self.a > 5", "messageExpression": "'x'.substring(9)", "message": "other"},
         "spec", "Invalid", 'Invalid value: "object": other'),
        ({"rule": "self.a > 5", "reason": "FieldValueForbidden", "fieldPath": ".a", "message": "no"},
         "spec.a", "Forbidden", "Forbidden: no"),
        ({"rule": "self.a > 5", "reason": "FieldValueRequired", "message": "m"}, "spec", "Required", "Required value: m"),
        ({"rule": "self.a > 5", "reason": "FieldValueDuplicate", "message": "m"}, "spec", "Duplicate",
         'Duplicate value: "object"'),
        ({"rule": "self.b > 5"}, "spec", "Invalid", 'Invalid value: "object": no such key: b evaluating rule: self.b > 5'),
        ({"rule": "self.a / 0 > 1", "message": "m"}, "spec", "Invalid",
         'Invalid value: "object": division by zero evaluating rule: m'),
        ({"rule": "self.any > 'x'"}, "spec", "Invalid",
         "Invalid value: \"object\": 'no such overload': call arguments did not match a supported operator, function or macro "
         "signature for rule: self.any > 'x'"),
    ],
)  # fmt: skip
def test_rule_that_does_not_hold_is_told_as_kubernetes_does(rule: Json, field: str, reason: str, message: str) -> None:
    schema = spec(rule, a=INTEGER, b=INTEGER, any={"x-kubernetes-int-or-string": True})
    assert told(schema, {"a": 1, "any": 1}) == [(field, reason, message)]


def test_values_have_the_types_of_their_schema() -> None:
    schema = spec(
        {"rule": "self.when < timestamp('2027-01-01T00:00:00Z') && self.wait > duration('1m') && self.data == b'hi'"},
        {"rule": "self.ratio > 0.5 && self.__namespace__ == 'n' && self.a__dash__b == 1"},
        {"rule": "self.tags == ['b', 'a']"},
        {"rule": "self.labels.exists(k, self.labels[k] == 'v') && self.labels.size() == 1"},
        {"rule": "type(self.port) == int && has(self.wait) && !has(self.absent)"},
        when={"type": "string", "format": "date-time"}, wait={"type": "string", "format": "duration"},
        data={"type": "string", "format": "byte"}, ratio={"type": "number"}, namespace=TEXT, **{"a-b": INTEGER},
        tags={"type": "array", "x-kubernetes-list-type": "set", "items": TEXT},
        labels={"type": "object", "additionalProperties": TEXT}, port={"x-kubernetes-int-or-string": True}, absent=TEXT,
    )  # fmt: skip
    value = {
        "when": "2026-01-01T00:00:00Z", "wait": "2m", "data": "aGk=", "ratio": 1, "namespace": "n", "a-b": 1,
        "tags": ["a", "b"], "labels": {"k": "v"}, "port": 80,
    }  # fmt: skip
    assert told(schema, value) == []
    assert len(told(schema, {**value, "when": "2028-01-01T00:00:00Z", "ratio": 0, "tags": ["a"], "port": "x"})) == 4


def test_order_of_lists_of_type_map_does_not_count() -> None:
    ports = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["n"],
        "items": {"type": "object", "properties": {"n": TEXT, "p": INTEGER}},
    }
    schema = spec({"rule": "self.ports == oldSelf.ports"}, ports=ports, x=INTEGER)
    old = {"ports": [{"n": "a", "p": 1}, {"n": "b", "p": 2}]}
    assert told(schema, {"ports": [{"n": "b", "p": 2}, {"n": "a", "p": 1}]}, old) == []
    assert told(schema, {"ports": [{"n": "b", "p": 1}, {"n": "a", "p": 2}]}, old)


def test_rules_of_the_root_see_metadata() -> None:
    schema = {"type": "object", "x-kubernetes-validations": [{"rule": "self.metadata.name == 'a' && self.kind == 'K'"}]}
    validator = Validator.make(schema, is_root=True)
    assert validator is not None
    assert validator.validate({"kind": "K", "metadata": {"name": "a"}}) == []
    assert [cause.field for cause in validator.validate({"kind": "K", "metadata": {"name": "b"}})] == ["<nil>"]


def test_transition_rule_runs_only_where_there_was_a_value() -> None:
    schema = spec({"rule": "self.a >= oldSelf.a", "message": "shrinks"}, a=INTEGER)
    assert told(schema, {"a": 1}) == []
    assert told(schema, {"a": 2}, {"a": 1}) == []
    assert told(schema, {"a": 0}, {"a": 1}) == [("spec", "Invalid", 'Invalid value: "object": shrinks')]


def test_optional_old_self_runs_on_creation_too() -> None:
    rule = {"rule": "oldSelf.optMap(o, o.a <= self.a).orValue(self.a == 0)", "optionalOldSelf": True}
    schema = spec(rule, a=INTEGER)
    assert told(schema, {"a": 0}) == []
    assert told(schema, {"a": 1})
    assert told(schema, {"a": 1}, {"a": 1}) == []
    assert told(schema, {"a": 0}, {"a": 1})


def test_transition_rules_follow_the_keys_of_lists_and_maps() -> None:
    fixed = {**TEXT, "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "fixed"}]}
    schema = spec(
        list={
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "properties": {"k": TEXT, "v": fixed}},
        },
        map={"type": "object", "additionalProperties": fixed},
    )
    del schema["properties"]["spec"]["x-kubernetes-validations"]
    old = {"list": [{"k": "a", "v": "1"}, {"k": "b", "v": "2"}], "map": {"x": "1"}}
    assert told(schema, {"list": [{"k": "b", "v": "2"}, {"k": "c", "v": "3"}], "map": {"x": "1", "y": "2"}}, old) == []
    changed = {"list": [{"k": "b", "v": "9"}], "map": {"x": "9"}}
    assert [field for field, _, _ in told(schema, changed, old)] == ["spec.list[0].v", "spec.map[x]"]


def test_what_did_not_change_is_not_judged_again() -> None:
    strict = {**INTEGER, "x-kubernetes-validations": [{"rule": "self > 5", "message": "small"}]}
    schema = spec({"rule": "!has(self.c)", "message": "no c"}, a=strict, b=strict, c=INTEGER)
    old = {"a": 1, "b": 1}
    assert told(schema, {"a": 1, "b": 1}, old) == []
    assert [field for field, _, _ in told(schema, {"a": 1, "b": 2}, old)] == ["spec.b"]


def test_null_keeps_no_rules() -> None:
    schema = spec(a={**TEXT, "nullable": True, "x-kubernetes-validations": [{"rule": "self == 'x'"}]})
    del schema["properties"]["spec"]["x-kubernetes-validations"]
    assert told(schema, {"a": None}) == []


def test_all_rules_of_an_object_share_one_budget() -> None:
    loop = {"rule": "self.l.all(a, self.l.all(b, a + b >= 0))"}
    schema = spec(*[loop] * 50, l={"type": "array", "items": INTEGER})
    budget = Budget(100_000)
    found = told(schema, {"l": list(range(100))}, budget=budget)
    assert found == [("spec", "Invalid", 'Invalid value: "object": validation failed due to running out of cost budget, no '
                      "further validation rules will be run")]  # fmt: skip
    assert budget.spent < 300_000


def test_rule_beyond_its_own_limit_ends_the_validation() -> None:
    loop = {"rule": "self.l.all(a, self.l.all(b, self.l.all(c, a + b + c >= 0)))", "message": "m"}
    schema = spec(loop, {"rule": "false"}, l={"type": "array", "items": INTEGER})
    ((field, _, message),) = told(schema, {"l": list(range(200))})
    assert field == "spec"
    assert "no further validation rules will be run due to call cost exceeds limit for rule: m" in message


@pytest.mark.parametrize(
    ("path", "shown"),
    [(".a", "a"), (".o.b", "o.b"), (".o['b']", "o.b"), (".m.k", "m[k]"), (".m['x.y']", "m[x.y]"), ("['a']", "a")],
)
def test_field_path_is_resolved(path: str, shown: str) -> None:
    schema = {
        "properties": {
            "a": TEXT,
            "o": {"properties": {"b": TEXT}},
            "m": {"additionalProperties": TEXT},
        }
    }
    assert resolve(path, schema)[0] == shown


@pytest.mark.parametrize("path", ["a", ".z", ".", ".a.b", "[a]", "['a'", ".a['", "..a", ".m[0]"])
def test_wrong_field_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidFieldPath):
        resolve(path, {"properties": {"a": TEXT, "m": {"type": "array", "items": TEXT}}})
