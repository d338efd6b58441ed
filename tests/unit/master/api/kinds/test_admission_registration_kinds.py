"""Webhook configurations, ValidatingAdmissionPolicy and its binding."""

from copy import deepcopy
from datetime import UTC, datetime

import pytest

from master.api.kinds.kind import Kind
from master.api.kinds.mutating_webhook_configuration import KIND as MUTATING
from master.api.kinds.validating_admission_policy import KIND as POLICY
from master.api.kinds.validating_admission_policy_binding import KIND as BINDING
from master.api.kinds.validating_webhook_configuration import KIND as VALIDATING
from tests.unit.master.api.kinds.made import Json, created, errors, updated

BOTH = pytest.mark.parametrize("kind", [VALIDATING, MUTATING], ids=lambda kind: kind.kind)
RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}


def configuration(**hook: object) -> Json:
    complete = {
        "name": "a.example.com",
        "clientConfig": {"service": {"namespace": "n", "name": "s"}},
        "rules": [RULE],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        **hook,
    }
    return {"webhooks": [{key: value for key, value in complete.items() if value is not None}]}


@BOTH
def test_defaults_of_a_webhook(kind: Kind) -> None:
    obj = created(kind, configuration())
    (hook,) = obj["webhooks"]
    assert errors(kind, obj) == []
    assert (hook["failurePolicy"], hook["matchPolicy"], hook["timeoutSeconds"]) == ("Fail", "Equivalent", 10)
    assert (hook["namespaceSelector"], hook["objectSelector"], hook["rules"][0]["scope"]) == ({}, {}, "*")
    assert hook["clientConfig"]["service"]["port"] == 443
    assert hook.get("reinvocationPolicy") == ("Never" if kind is MUTATING else None)
    assert obj["metadata"]["generation"] == 1


@BOTH
@pytest.mark.parametrize(
    ("hook", "expected"),
    [
        (
            {"name": "short"},
            '.name: Invalid value: "short": should be a domain with at least three segments separated by dots',
        ),
        ({"sideEffects": None}, ".sideEffects: Required value: must specify one of None, NoneOnDryRun"),
        ({"sideEffects": "Some"}, '.sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'),
        ({"timeoutSeconds": 31}, ".timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds"),
        ({"clientConfig": {}}, ".clientConfig: Required value: exactly one of url or service is required"),
        (
            {"clientConfig": {"url": "http://x"}},
            ".clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: "
            "https://host[/path]",
        ),
        (
            {"clientConfig": {"url": "https://x/y?z=1"}},
            '.clientConfig.url: Invalid value: "z=1": query parameters are not permitted in the URL',
        ),
        ({"admissionReviewVersions": []}, ".admissionReviewVersions: Required value: must specify one of v1, v1beta1"),
        (
            {"admissionReviewVersions": ["v9"]},
            '.admissionReviewVersions: Invalid value: ["v9"]: must include at least one of v1, v1beta1',
        ),
        ({"failurePolicy": "Panic"}, '.failurePolicy: Unsupported value: "Panic": supported values: "Fail", "Ignore"'),
        (
            {"rules": [{**RULE, "operations": ["*", "CREATE"]}]},
            '.rules[0].operations: Invalid value: ["*","CREATE"]: if \'*\' is present, must not specify other operations',
        ),
        (
            {"rules": [{**RULE, "resources": ["pods/*", "pods/log"]}]},
            ".rules[0].resources[1]: Invalid value: \"pods/log\": if 'pods/*' is present, must not specify pods/log",
        ),
        ({"matchConditions": [{"name": "x", "expression": " "}]}, ".matchConditions[0].expression: Required value"),
    ],
)
def test_a_wrong_webhook_is_refused(kind: Kind, hook: Json, expected: str) -> None:
    assert errors(kind, created(kind, configuration(**hook))) == [f"webhooks[0]{expected}"]


@BOTH
def test_generation_counts_changes_of_webhooks_only(kind: Kind) -> None:
    old = created(kind, configuration())
    same = updated(kind, old, **configuration())
    assert same["metadata"]["generation"] == 1
    changed = updated(kind, old, **configuration(timeoutSeconds=5))
    assert changed["metadata"]["generation"] == 2


def test_two_webhooks_of_one_name_are_refused_unless_they_were_there() -> None:
    twice = configuration()
    twice["webhooks"] *= 2
    obj = created(VALIDATING, twice)
    assert errors(VALIDATING, obj) == ['webhooks[1].name: Duplicate value: "a.example.com"']
    assert errors(VALIDATING, deepcopy(obj), obj) == []


def policy(**spec: object) -> Json:
    complete = {
        "matchConstraints": {"resourceRules": [RULE]},
        "validations": [{"expression": "object.spec.replicas <= 5"}],
        **spec,
    }
    return {"spec": {key: value for key, value in complete.items() if value is not None}}


def test_defaults_of_a_policy() -> None:
    obj = created(POLICY, policy())
    spec, match = obj["spec"], obj["spec"]["matchConstraints"]
    assert errors(POLICY, obj) == []
    assert (spec["failurePolicy"], match["matchPolicy"]) == ("Fail", "Equivalent")
    assert (match["namespaceSelector"], match["objectSelector"], match["resourceRules"][0]["scope"]) == ({}, {}, "*")
    assert updated(POLICY, obj, **policy())["metadata"]["generation"] == 1
    assert updated(POLICY, obj, **policy(failurePolicy="Ignore"))["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"matchConstraints": None}, ["spec.matchConstraints: Required value"]),
        ({"matchConstraints": {}}, ["spec.matchConstraints.resourceRules: Required value"]),
        (
            {"validations": None},
            [
                "spec.validations: Required value: validations or auditAnnotations must contain at least one item",
                "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item",
            ],
        ),
        (
            {"validations": [{"expression": ""}]},
            ["spec.validations[0].expression: Required value: expression is not specified"],
        ),
        (
            {"validations": [{"expression": "true", "message": "a\nb"}]},
            ['spec.validations[0].message: Invalid value: "a\\nb": message must not contain line breaks'],
        ),
        (
            {"variables": [{"name": "for", "expression": "1"}]},
            ['spec.variables[0].name: Invalid value: "for": name is not a valid CEL identifier'],
        ),
        ({"paramKind": {"kind": "X"}}, ["spec.paramKind.apiVersion: Required value"]),
        (
            {"auditAnnotations": [{"key": "k", "valueExpression": "'x'"}] * 2},
            ['spec.auditAnnotations[1].key: Duplicate value: "k"'],
        ),
    ],
)
def test_a_wrong_policy_is_refused(spec: Json, expected: list[str]) -> None:
    assert errors(POLICY, created(POLICY, policy(**spec))) == expected


def test_a_policy_s_status_is_checked() -> None:
    old = created(POLICY, policy())
    obj = {**deepcopy(old), "status": {"conditions": [{"type": "Ok", "status": "Maybe"}]}}
    assert [f"{cause.field}: {cause.message}" for cause in POLICY.validate_status(obj, old)] == [
        'status.conditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"',
        "status.conditions[0].lastTransitionTime: Required value: must be set",
        "status.conditions[0].reason: Required value: must be set",
    ]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"policyName": ""}, ["spec.policyName: Required value"]),
        ({"validationActions": []}, ["spec.validationActions: Required value: at least one validation action is required"]),
        ({"validationActions": ["Audit", "Audit"]}, ['spec.validationActions[1]: Duplicate value: "Audit"']),
        (
            {"paramRef": {"name": "x"}},
            ["spec.paramRef.parameterNotFoundAction: Required value"],
        ),
        (
            {"paramRef": {"parameterNotFoundAction": "Deny"}},
            ["spec.paramRef: Required value: one of name or selector must be specified"],
        ),
    ],
)
def test_bindings(spec: Json, expected: list[str]) -> None:
    obj = created(BINDING, {"spec": {"policyName": "p", "validationActions": ["Deny"], **spec}})
    assert errors(BINDING, obj) == expected


def test_a_binding_may_not_both_deny_and_warn() -> None:
    obj = created(BINDING, {"spec": {"policyName": "p", "validationActions": ["Deny", "Warn"]}})
    assert "must not contain both Deny and Warn" in errors(BINDING, obj)[0]


def test_rows() -> None:
    now = datetime.now(UTC)
    assert VALIDATING.row(created(VALIDATING, configuration()), now)[:2] == ["x", 1]
    assert POLICY.row(created(POLICY, policy(paramKind={"apiVersion": "v1", "kind": "ConfigMap"})), now)[:3] == [
        "x",
        1,
        "v1/ConfigMap",
    ]
    reference = {"name": "c", "namespace": "n", "parameterNotFoundAction": "Deny"}
    obj = created(BINDING, {"spec": {"policyName": "p", "validationActions": ["Deny"], "paramRef": reference}})
    assert BINDING.row(obj, now)[:3] == ["x", "p", "n/c"]
