"""HorizontalPodAutoscalers in both versions."""

from copy import deepcopy
from typing import Any

import orjson
import pytest

from master.api.kinds.horizontal_pod_autoscaler import KIND as V2
from master.api.kinds.horizontal_pod_autoscaler_v1 import KIND as V1
from master.api.kinds.rules.autoscaler_conversion import BEHAVIOR, CURRENT_METRICS, METRICS, to_v1, to_v2
from tests.unit.master.api.kinds.made import created, errors

Json = dict[str, Any]

TARGET: Json = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
CPU: Json = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}
MEMORY: Json = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}}
SELECTOR: Json = {"matchLabels": {"a": "b"}}
METRIC_KINDS: list[Json] = [
    MEMORY,
    {"type": "ContainerResource", "containerResource": {
        "name": "cpu", "container": "c", "target": {"type": "Utilization", "averageUtilization": 5}}},
    {"type": "Pods", "pods": {
        "metric": {"name": "m", "selector": SELECTOR}, "target": {"type": "AverageValue", "averageValue": "5"}}},
    {"type": "Object", "object": {
        "metric": {"name": "m"}, "describedObject": TARGET, "target": {"type": "Value", "value": "7"}}},
    {"type": "External", "external": {
        "metric": {"name": "m", "selector": SELECTOR}, "target": {"type": "Value", "value": "7"}}},
]  # fmt: skip


def made(**spec: Any) -> Json:
    return created(V2, {"spec": {"scaleTargetRef": TARGET, "maxReplicas": 5, **spec}})


def made_v1(annotations: Json | None = None, **spec: Any) -> Json:
    body = {"metadata": {"annotations": annotations or {}}, "spec": {"scaleTargetRef": TARGET, "maxReplicas": 5, **spec}}
    return created(V1, body)


def test_defaults() -> None:
    spec = made(behavior={"scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}})["spec"]
    assert spec["minReplicas"] == 1
    target = {"type": "Utilization", "averageUtilization": 80}
    assert spec["metrics"] == [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    assert spec["behavior"]["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert [policy["type"] for policy in spec["behavior"]["scaleUp"]["policies"]] == ["Pods", "Percent"]
    assert spec["behavior"]["scaleDown"] == {
        "selectPolicy": "Max",
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
    }
    assert "behavior" not in made()["spec"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minReplicas": 0}, "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"),
        ({"maxReplicas": 0, "minReplicas": None}, "spec.maxReplicas: Invalid value: 0: must be greater than 0"),
        ({"minReplicas": 6}, "spec.maxReplicas: Invalid value: 5: must be greater than or equal to `minReplicas`"),
        ({"scaleTargetRef": {"kind": "Deployment"}}, "spec.scaleTargetRef.name: Required value"),
        (
            {"metrics": [{"type": "Pods"}]},
            "spec.metrics[0].pods: Required value: must populate information for the given metric source",
        ),
        (
            {"metrics": [{**CPU, "pods": METRIC_KINDS[2]["pods"]}]},
            "spec.metrics[0].pods: Forbidden: must populate the given metric source only",
        ),
        (
            {"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}]},
            "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a "
            "target utilization",
        ),
        (
            {"behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 1}]}}},
            "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero",
        ),
    ],
)
def test_errors(spec: Json, expected: str) -> None:
    assert expected in errors(V2, made(**spec))


def test_every_kind_of_metric_is_valid() -> None:
    assert errors(V2, made(metrics=[CPU, *METRIC_KINDS])) == []


def test_v1_shows_cpu_and_carries_the_rest() -> None:
    obj = made(metrics=[CPU, *METRIC_KINDS], behavior={"scaleUp": {}})
    obj["metadata"]["annotations"] = {"mine": "kept"}
    obj["status"].update(
        currentMetrics=[{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 7}}}],
        conditions=[{"type": "AbleToScale", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    )
    before = deepcopy(obj)
    shown = to_v1(obj)
    assert obj == before
    assert (shown["apiVersion"], shown["spec"]["targetCPUUtilizationPercentage"]) == ("autoscaling/v1", 60)
    assert "metrics" not in shown["spec"]
    assert shown["status"]["currentCPUUtilizationPercentage"] == 7
    annotations = shown["metadata"]["annotations"]
    assert annotations["mine"] == "kept"
    carried = orjson.loads(annotations[METRICS])
    assert carried[0] == {"type": "Resource", "resource": {"name": "memory", "targetAverageValue": "1Gi"}}
    assert carried[4]["external"] == {"metricName": "m", "metricSelector": SELECTOR, "targetValue": "7"}
    assert {METRICS, CURRENT_METRICS, BEHAVIOR} < annotations.keys()


def test_a_round_trip_through_v1_loses_nothing() -> None:
    obj = made(metrics=METRIC_KINDS, behavior={"scaleUp": {"selectPolicy": "Min"}})
    back = to_v2(to_v1({**obj, "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}))
    assert back["spec"] == obj["spec"]
    assert METRICS not in (back["metadata"].get("annotations") or {})
    # v1 keeps CPU apart, and it comes last.
    assert to_v2(to_v1(made(metrics=[CPU, MEMORY])))["spec"]["metrics"] == [MEMORY, CPU]


@pytest.mark.parametrize(
    "text",
    ["{", "[1]", '[{"type":"Pods","pods":{"targetAverageValue":"x"}}]', '[{"type":5}]', '"a"', "\ud800"],
)
def test_an_annotation_that_fits_no_type_counts_as_absent(text: str) -> None:
    obj = made_v1({METRICS: text, BEHAVIOR: text, CURRENT_METRICS: text}, targetCPUUtilizationPercentage=60)
    stored = V1.to_stored(obj)
    assert stored["spec"]["metrics"] == [CPU]
    assert "behavior" not in stored["spec"]
    assert errors(V1, obj) == []


def test_an_annotation_s_metrics_are_validated() -> None:
    carried = '[{"type":"Resource","resource":{"name":"memory"}}]'
    (error,) = errors(V1, made_v1({METRICS: carried}))
    assert error.startswith("spec.metrics[0].resource.target.averageUtilization: Required value")


def test_v1_without_a_target_gets_the_default_when_it_is_stored() -> None:
    obj = made_v1()
    assert "targetCPUUtilizationPercentage" not in obj["spec"]
    assert V1.from_stored(V1.to_stored(obj))["spec"]["targetCPUUtilizationPercentage"] == 80
    assert V1.storage == V2.resource
