"""Deployments and ReplicaSets."""

from copy import deepcopy
from typing import Any

import pytest

from master.api.kinds.deployment import KIND as DEPLOYMENT
from master.api.kinds.kind import Kind
from master.api.kinds.replica_set import KIND as REPLICA_SET

Json = dict[str, Any]


def workload(kind: Kind, **spec: Any) -> Json:
    obj: Json = {
        "metadata": {"name": "w", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "w"}},
            "template": {
                "metadata": {"labels": {"app": "w"}},
                "spec": {"containers": [{"name": "a", "image": "b:1"}]},
            },
            **spec,
        },
    }
    kind.prepare_for_create(obj)
    kind.default(obj)
    return obj


def errors(kind: Kind, obj: Json, old: Json | None = None) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in kind.validate(obj, old)]


def test_defaults_of_a_deployment() -> None:
    spec = workload(DEPLOYMENT)["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    assert spec["template"]["spec"]["restartPolicy"] == "Always"
    # Only pods get these.
    assert "enableServiceLinks" not in spec["template"]["spec"]


@pytest.mark.parametrize("kind", [DEPLOYMENT, REPLICA_SET], ids=lambda kind: kind.kind)
def test_a_minimal_workload_is_valid(kind: Kind) -> None:
    assert errors(kind, workload(kind)) == []


@pytest.mark.parametrize("kind", [DEPLOYMENT, REPLICA_SET], ids=lambda kind: kind.kind)
@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        ({"selector": None}, "spec.selector: Required value"),
        (
            {"selector": {"matchLabels": {"app": "x"}}},
            'spec.template.metadata.labels: Invalid value: {"app":"w"}: `selector` does not match template `labels`',
        ),
        (
            {"selector": {"matchExpressions": [{"key": "app", "operator": "In"}], "matchLabels": {"app": "w"}}},
            "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
        ),
        ({"selector": {}}, "spec.selector: Invalid value: {}: empty selector is invalid for deployment"),
    ],
)
def test_errors_that_both_kinds_have(kind: Kind, spec: Json, expected: str) -> None:
    assert expected in errors(kind, workload(kind, **spec))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"strategy": {"type": "Recreate", "rollingUpdate": {}}},
            "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}},
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ),
        (
            {"strategy": {"rollingUpdate": {"maxUnavailable": "101%"}}},
            'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
        ),
        (
            {"minReadySeconds": 600},
            "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds",
        ),
        (
            {"strategy": {"type": "Blue"}},
            'spec.strategy.type: Unsupported value: "Blue": supported values: "Recreate", "RollingUpdate"',
        ),
    ],
)
def test_errors_of_a_deployment(spec: Json, expected: str) -> None:
    assert errors(DEPLOYMENT, workload(DEPLOYMENT, **spec)) == [expected]


def test_a_template_must_restart_always() -> None:
    obj = workload(DEPLOYMENT)
    obj["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    assert errors(DEPLOYMENT, obj) == [
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'
    ]


@pytest.mark.parametrize("kind", [DEPLOYMENT, REPLICA_SET], ids=lambda kind: kind.kind)
def test_the_generation_counts_changes_of_the_spec_and_not_of_what_is_defaulted(kind: Kind) -> None:
    old = workload(kind)
    assert old["metadata"]["generation"] == 1
    same = deepcopy(old)
    same["spec"].pop("replicas")
    same["spec"]["template"]["spec"].pop("dnsPolicy")
    kind.prepare_for_update(same, old)
    assert same["metadata"]["generation"] == 1
    changed = deepcopy(old)
    changed["spec"]["replicas"] = 5
    kind.prepare_for_update(changed, old)
    assert changed["metadata"]["generation"] == 2


@pytest.mark.parametrize(("kind", "generation"), [(DEPLOYMENT, 2), (REPLICA_SET, 1)], ids=["Deployment", "ReplicaSet"])
def test_annotations_count_for_a_deployment_only(kind: Kind, generation: int) -> None:
    old = workload(kind)
    annotated = deepcopy(old)
    annotated["metadata"]["annotations"] = {"a": "b"}
    kind.prepare_for_update(annotated, old)
    assert annotated["metadata"]["generation"] == generation
    again = deepcopy(annotated)
    again["metadata"]["annotations"] = {"a": "b"}
    kind.prepare_for_update(again, annotated)
    assert again["metadata"]["generation"] == generation


def test_the_selector_is_immutable() -> None:
    old = workload(DEPLOYMENT)
    new = deepcopy(old)
    new["spec"]["selector"] = new["spec"]["template"]["metadata"]["labels"] = {"matchLabels": {"app": "v"}}
    new["spec"]["template"]["metadata"]["labels"] = {"app": "v"}
    assert errors(DEPLOYMENT, new, old) == ['spec.selector: Invalid value: {"matchLabels":{"app":"v"}}: field is immutable']


def test_missing_everything_is_named_and_no_crash() -> None:
    obj: Json = {"metadata": {"name": "w", "namespace": "default"}}
    DEPLOYMENT.default(obj)
    assert errors(DEPLOYMENT, obj) == ["spec.selector: Required value", "spec.template.spec.containers: Required value"]
