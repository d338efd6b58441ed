"""`kubectl get horizontalpodautoscalers`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import NONE, UNSET
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

Json = dict[str, Any]

COLUMNS = (
    NAME,
    Column(name="Reference"),
    Column(name="Targets"),
    Column(name="MinPods"),
    Column(name="MaxPods"),
    Column(name="Replicas"),
    AGE,
)
_UNKNOWN = "<unknown>"
#: More metrics are counted, not shown.
_SHOWN = 2
_SOURCES = {
    "External": "external", "Pods": "pods", "Object": "object", "Resource": "resource",
    "ContainerResource": "containerResource",
}  # fmt: skip


def row(obj: Json, now: datetime) -> Sequence[Any]:
    """Of the autoscaling/v2 form."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    target = spec.get("scaleTargetRef") or {}
    minimum = spec.get("minReplicas")
    return [
        obj["metadata"]["name"],
        f"{target.get('kind', '')}/{target.get('name', '')}",
        _targets(spec.get("metrics") or [], status.get("currentMetrics") or []),
        UNSET if minimum is None else str(minimum),
        str(spec.get("maxReplicas", 0)),
        str(status.get("currentReplicas", 0)),
        age(obj, now),
    ]


def _targets(metrics: list[Json], currents: list[Json]) -> str:
    if not metrics:
        return NONE
    texts = []
    for index, metric in enumerate(metrics[:_SHOWN]):
        source = _SOURCES.get(metric.get("type", ""), "")
        wanted = metric.get(source) or {}
        known = (currents[index].get(source) or {}) if index < len(currents) else {}
        texts.append(_metric(source, wanted, wanted.get("target") or {}, known.get("current") or {}))
    more = len(metrics) - _SHOWN
    return ", ".join(texts) + (f" + {more} more..." if more > 0 else "")


def _metric(source: str, wanted: Json, target: Json, current: Json) -> str:
    average = target.get("averageValue")
    match source:
        case "resource" | "containerResource":
            if average is not None:
                return f"{wanted.get('name', '')}: {current.get('averageValue') or _UNKNOWN}/{average}"
            share, goal = current.get("averageUtilization"), target.get("averageUtilization")
            now = _UNKNOWN if share is None else f"{share}%"
            return f"{wanted.get('name', '')}: {now}/{'<auto>' if goal is None else f'{goal}%'}"
        case "pods":
            return f"{current.get('averageValue') or _UNKNOWN}/{average}"
        case "external" | "object":
            if average is not None:
                return f"{current.get('averageValue') or _UNKNOWN}/{average} (avg)"
            return f"{current.get('value') or _UNKNOWN}/{target.get('value')}"
    return "<unknown type>"
