"""Validation of a HorizontalPodAutoscaler's metrics, in the autoscaling/v2 form (validateMetrics)."""

from collections.abc import Sequence
from typing import Any

from master.api.kinds.pod_spec.resources import validate_container_resource_name
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import forbidden, invalid, not_supported, required
from master.api.kinds.rules.metadata import validate_label_selector
from master.client.errors import Cause
from proto.k8s.quantity import parse

Json = dict[str, Any]

#: The field that each type of metric is described in.
SOURCES = {
    "ContainerResource": "containerResource", "External": "external", "Object": "object", "Pods": "pods",
    "Resource": "resource",
}  # fmt: skip
_ORDER = ("object", "external", "pods", "resource", "containerResource")
TARGET_TYPES = ("Utilization", "Value", "AverageValue")


def validate_metrics(metrics: Sequence[Json], path: str, *, to_zero: bool) -> list[Cause]:
    """`to_zero`: the autoscaler may leave no pods, which only metrics from outside of them can end."""
    causes: list[Cause] = []
    for index, metric in enumerate(metrics):
        causes.extend(_validate_metric(metric, f"{path}[{index}]"))
    if to_zero and not any(metric.get("type") in ("Object", "External") for metric in metrics):
        message = "must specify at least one Object or External metric to support scaling to zero replicas"
        causes.append(forbidden(path, message))
    return causes


def validate_reference(reference: Json, path: str) -> list[Cause]:
    """A CrossVersionObjectReference."""
    causes: list[Cause] = []
    for field in ("kind", "name"):
        value = reference.get(field) or ""
        if not value:
            causes.append(required(f"{path}.{field}"))
        causes.extend(invalid(f"{path}.{field}", value, why) for why in names.path_segment(value))
    return causes


def _validate_metric(metric: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    kind = metric.get("type") or ""
    if not kind:
        causes.append(required(f"{path}.type", "must specify a metric source type"))
    given = [field for field in _ORDER if metric.get(field) is not None]
    if given:
        causes.extend(_validate_source(given[0], metric[given[0]], f"{path}.{given[0]}"))
    expected = SOURCES.get(kind, "")
    if not expected:
        causes.append(not_supported(f"{path}.type", kind, SOURCES))
    elif expected not in given:
        causes.append(required(f"{path}.{expected}", "must populate information for the given metric source"))
    if len(given) != 1:
        message = "must populate the given metric source only"
        causes.extend(forbidden(f"{path}.{field}", message) for field in given if field != expected)
    return causes


def _validate_source(field: str, source: Json, path: str) -> list[Cause]:
    target, where = source.get("target") or {}, f"{path}.target"
    causes = _validate_subject(field, source, path)
    causes.extend(_validate_target(target, where))
    value, average, share = target.get("value"), target.get("averageValue"), target.get("averageUtilization")
    match field:
        case "object":
            if value is None and average is None:
                causes.append(required(f"{where}.averageValue", "must set either a target value or averageValue"))
        case "external":
            if value is None and average is None:
                message = "must set either a target value for metric or a per-pod target"
                causes.append(required(f"{where}.averageValue", message))
            if value is not None and average is not None:
                message = "may not set both a target value for metric and a per-pod target"
                causes.append(forbidden(f"{where}.value", message))
        case "pods":
            if average is None:
                causes.append(required(f"{where}.averageValue", "must specify a positive target averageValue"))
        case _:
            if share is None and average is None:
                message = "must set either a target raw value or a target utilization"
                causes.append(required(f"{where}.averageUtilization", message))
            if share is not None and average is not None:
                message = "may not set both a target raw value and a target utilization"
                causes.append(forbidden(f"{where}.averageValue", message))
    return causes


def _validate_subject(field: str, source: Json, path: str) -> list[Cause]:
    """What is measured."""
    causes: list[Cause] = []
    if field in ("resource", "containerResource"):
        name = source.get("name") or ""
        if not name:
            causes.append(required(f"{path}.name", "must specify a resource name"))
        elif field == "containerResource":
            causes.extend(validate_container_resource_name(name, f"{path}.name"))
        if field == "containerResource":
            container = source.get("container") or ""
            if not container:
                causes.append(required(f"{path}.container", "must specify a container"))
            else:
                causes.extend(invalid(f"{path}.container", container, why) for why in names.dns1123_label(container))
        return causes
    if field == "object":
        causes.extend(validate_reference(source.get("describedObject") or {}, f"{path}.describedObject"))
    metric, where = source.get("metric") or {}, f"{path}.metric"
    name = metric.get("name") or ""
    if not name:
        causes.append(required(f"{where}.name", "must specify a metric name"))
    causes.extend(invalid(f"{where}.name", name, why) for why in names.path_segment(name))
    return causes + validate_label_selector(metric.get("selector"), f"{where}.selector")


def _validate_target(target: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    kind = target.get("type") or ""
    if not kind:
        causes.append(required(f"{path}.type", "must specify a metric target type"))
    if kind not in TARGET_TYPES:
        causes.append(invalid(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue"))
    for field in ("value", "averageValue"):
        quantity = target.get(field)
        if quantity is not None and parse(quantity) <= 0:
            causes.append(invalid(f"{path}.{field}", quantity, "must be positive"))
    share = target.get("averageUtilization")
    if share is not None and share < 1:
        causes.append(invalid(f"{path}.averageUtilization", share, "must be greater than 0"))
    return causes
