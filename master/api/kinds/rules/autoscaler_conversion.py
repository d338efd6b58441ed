"""The two forms of a HorizontalPodAutoscaler: autoscaling/v1 knows CPU only, the rest of v2 goes along in annotations.

Neither function changes its argument. Source: pkg/apis/autoscaling/v1/conversion.go, pkg/apis/autoscaling/annotations.go.
"""

from typing import Any

import orjson

from master.api.kinds.rules.autoscaler_annotations import read_behavior, read_conditions, read_metrics
from master.api.kinds.rules.autoscaler_defaults import CPU_UTILIZATION, cpu_metric

Json = dict[str, Any]

METRICS = "autoscaling.alpha.kubernetes.io/metrics"
CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics"
CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
_ROUND_TRIP = (METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR)
_SHARED_SPEC = ("scaleTargetRef", "minReplicas", "maxReplicas")
_SHARED_STATUS = ("observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas")
_SOURCES = {
    "Object": "object", "Pods": "pods", "Resource": "resource", "ContainerResource": "containerResource",
    "External": "external",
}  # fmt: skip
#: What a source's measured or wanted values are called in the annotations: v2's name, the annotation's.
_TARGET_NAMES: dict[str, dict[str, str]] = {
    "object": {"value": "targetValue", "averageValue": "averageValue"},
    "pods": {"averageValue": "targetAverageValue"},
    "external": {"value": "targetValue", "averageValue": "targetAverageValue"},
    "resource": {"averageUtilization": "targetAverageUtilization", "averageValue": "targetAverageValue"},
    "containerResource": {"averageUtilization": "targetAverageUtilization", "averageValue": "targetAverageValue"},
}
_CURRENT_NAMES: dict[str, dict[str, str]] = {
    "object": {"value": "currentValue", "averageValue": "averageValue"},
    "pods": {"averageValue": "currentAverageValue"},
    "external": {"value": "currentValue", "averageValue": "currentAverageValue"},
    "resource": {"averageUtilization": "currentAverageUtilization", "averageValue": "currentAverageValue"},
    "containerResource": {"averageUtilization": "currentAverageUtilization", "averageValue": "currentAverageValue"},
}


def to_v1(obj: Json) -> Json:
    """A v2 object as autoscaling/v1 shows it."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    metrics, currents = spec.get("metrics") or [], status.get("currentMetrics") or []
    shown: Json = {**obj, "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler"}
    shown["spec"] = {field: spec[field] for field in _SHARED_SPEC if field in spec}
    for metric in metrics:
        if _is_cpu(metric):
            share = ((metric["resource"].get("target")) or {}).get("averageUtilization")
            if share is not None:
                shown["spec"]["targetCPUUtilizationPercentage"] = share
            break
    if "status" in obj:
        shown["status"] = {field: status[field] for field in _SHARED_STATUS if field in status}
        for current in currents:
            if _is_cpu(current):
                share = ((current["resource"].get("current")) or {}).get("averageUtilization")
                if share is not None:
                    shown["status"]["currentCPUUtilizationPercentage"] = share
    others = [metric for metric in metrics if not (_is_cpu(metric) and _share(metric) is not None)]
    carried: dict[str, Any] = {
        METRICS: [_flattened(metric, "target", _TARGET_NAMES) for metric in others],
        CURRENT_METRICS: [_flattened(current, "current", _CURRENT_NAMES) for current in currents],
        CONDITIONS: status.get("conditions") or [],
        BEHAVIOR: spec.get("behavior") or {},
    }
    _set_annotations(shown, obj, {name: orjson.dumps(value).decode() for name, value in carried.items() if value})
    return shown


def to_v2(obj: Json) -> Json:
    """A v1 object as it is stored. What an annotation carries that cannot be read is dropped, as Kubernetes does."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    stored: Json = {**obj, "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
    annotations = obj["metadata"].get("annotations") or {}
    stored["spec"] = {field: spec[field] for field in _SHARED_SPEC if field in spec}
    metrics = [_nested(metric, "target", _TARGET_NAMES) for metric in read_metrics(annotations.get(METRICS))]
    if spec.get("targetCPUUtilizationPercentage") is not None:
        metrics.append(cpu_metric(spec["targetCPUUtilizationPercentage"]))
    stored["spec"]["metrics"] = metrics or [cpu_metric(CPU_UTILIZATION)]
    if behavior := read_behavior(annotations.get(BEHAVIOR)):
        stored["spec"]["behavior"] = behavior
    if "status" in obj:
        stored["status"] = {field: status[field] for field in _SHARED_STATUS if field in status}
        currents = [_nested(current, "current", _CURRENT_NAMES) for current in read_metrics(annotations.get(CURRENT_METRICS))]
        share = status.get("currentCPUUtilizationPercentage")
        if not currents and share is not None:
            currents = [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": share}}}]
        if currents:
            stored["status"]["currentMetrics"] = currents
        if conditions := read_conditions(annotations.get(CONDITIONS)):
            stored["status"]["conditions"] = conditions
    _set_annotations(stored, obj, {})
    return stored


def _is_cpu(metric: Json) -> bool:
    return metric.get("type") == "Resource" and (metric.get("resource") or {}).get("name") == "cpu"


def _share(metric: Json) -> Any:
    return (metric["resource"].get("target") or {}).get("averageUtilization")


def _set_annotations(obj: Json, given: Json, carried: dict[str, str]) -> None:
    """A copy of the metadata with these annotations in place of those that carried."""
    metadata: Json = dict(given["metadata"])
    kept = {key: value for key, value in (metadata.get("annotations") or {}).items() if key not in _ROUND_TRIP}
    if kept or carried:
        metadata["annotations"] = {**kept, **carried}
    else:
        metadata.pop("annotations", None)
    obj["metadata"] = metadata


def _flattened(metric: Json, holder: str, names: dict[str, dict[str, str]]) -> Json:
    """A v2 metric in the form of the annotations, which have no `metric`, `target` and `current` objects."""
    kind = metric.get("type", "")
    field = _SOURCES.get(kind, "")
    source = metric.get(field)
    if source is None:
        return {"type": kind}
    flat: Json = {}
    for key in ("name", "container"):
        if key in source:
            flat[key] = source[key]
    if "describedObject" in source:
        flat["target"] = source["describedObject"]
    identifier = source.get("metric") or {}
    if "name" in identifier:
        flat["metricName"] = identifier["name"]
    if identifier.get("selector") is not None:
        flat["metricSelector" if field == "external" else "selector"] = identifier["selector"]
    values = source.get(holder) or {}
    flat.update({name: values[key] for key, name in names[field].items() if values.get(key) is not None})
    return {"type": kind, field: flat}


def _nested(flat_metric: Json, holder: str, names: dict[str, dict[str, str]]) -> Json:
    """The way back of `_flattened`."""
    kind = flat_metric.get("type", "")
    field = _SOURCES.get(kind, "")
    flat = flat_metric.get(field)
    if not isinstance(flat, dict):
        return {"type": kind}
    source: Json = {key: flat[key] for key in ("name", "container") if key in flat}
    if isinstance(flat.get("target"), dict):
        source["describedObject"] = flat["target"]
    if field in ("object", "pods", "external"):
        source["metric"] = {"name": flat.get("metricName", "")}
        selector = flat.get("metricSelector" if field == "external" else "selector")
        if selector is not None:
            source["metric"]["selector"] = selector
    values: Json = {key: flat[name] for key, name in names[field].items() if flat.get(name) is not None}
    if holder == "target":
        values["type"] = _target_type(values)
        if field == "object" and "averageValue" in values and values.get("value") in ("0", 0):
            # Go's type writes this one always; a zero means that it is not wanted.
            del values["value"]
    source[holder] = values
    return {"type": kind, field: source}


def _target_type(values: Json) -> str:
    if "averageUtilization" in values:
        return "Utilization"
    return "AverageValue" if "averageValue" in values else "Value"
