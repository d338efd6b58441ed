"""What the annotations of an autoscaling/v1 HorizontalPodAutoscaler carry, read strictly.

Clients write annotations as they like: what does not fit its type as a whole counts as absent, as in Kubernetes.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import msgspec

from proto.k8s.quantity import InvalidQuantity, parse

Json = dict[str, Any]
_Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
_QUANTITIES = ("targetValue", "targetAverageValue", "averageValue", "currentValue", "currentAverageValue")


class _Loose(msgspec.Struct, omit_defaults=True):
    """Unknown fields are ignored; what is not given is left out again."""


class _Requirement(_Loose):
    key: str = ""
    operator: str = ""
    values: list[str] = []


class _Selector(_Loose):
    matchLabels: dict[str, str] = {}
    matchExpressions: list[_Requirement] = []


class _Reference(_Loose):
    apiVersion: str = ""
    kind: str = ""
    name: str = ""


class _Source(_Loose):
    name: str = ""
    container: str = ""
    target: _Reference | None = None
    metricName: str = ""
    selector: _Selector | None = None
    metricSelector: _Selector | None = None
    targetValue: str | None = None
    targetAverageValue: str | None = None
    targetAverageUtilization: _Int32 | None = None
    averageValue: str | None = None
    currentValue: str | None = None
    currentAverageValue: str | None = None
    currentAverageUtilization: _Int32 | None = None


class _Metric(_Loose):
    type: str = ""
    object: _Source | None = None
    pods: _Source | None = None
    resource: _Source | None = None
    containerResource: _Source | None = None
    external: _Source | None = None


class _Policy(_Loose):
    type: str = ""
    value: _Int32 | None = None
    periodSeconds: _Int32 | None = None


class _Rules(_Loose):
    stabilizationWindowSeconds: _Int32 | None = None
    selectPolicy: str | None = None
    policies: list[_Policy] | None = None


class _Behavior(_Loose):
    scaleUp: _Rules | None = None
    scaleDown: _Rules | None = None


class _Condition(_Loose):
    type: str = ""
    status: str = ""
    lastTransitionTime: str | None = None
    reason: str = ""
    message: str = ""


_metrics = msgspec.json.Decoder(list[_Metric])
_behavior = msgspec.json.Decoder(_Behavior)
_conditions = msgspec.json.Decoder(list[_Condition])


def read_metrics(text: str | None) -> list[Json]:
    metrics: list[Json] = _read(_metrics, text) or []
    try:
        for quantity in _quantities(metrics):
            parse(quantity)
    except InvalidQuantity:
        return []
    return metrics


def read_behavior(text: str | None) -> Json:
    return _read(_behavior, text) or {}


def read_conditions(text: str | None) -> list[Json]:
    conditions: list[Json] = _read(_conditions, text) or []
    for condition in conditions:
        if "lastTransitionTime" in condition and not _is_time(condition["lastTransitionTime"]):
            return []
    return conditions


def _read(decoder: "msgspec.json.Decoder[Any]", text: str | None) -> Any:
    try:
        return msgspec.to_builtins(decoder.decode(text)) if text else None
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None


def _quantities(metrics: list[Json]) -> Iterator[str]:
    for metric in metrics:
        for source in metric.values():
            if isinstance(source, dict):
                yield from (source[field] for field in _QUANTITIES if field in source)


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
