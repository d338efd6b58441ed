"""NodeMetrics and PodMetrics. Read-only, made at each read.

Source: k8s.io/metrics pkg/apis/metrics/v1beta1; columns as metrics-server prints them.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from master.api.kinds.kind import Json, Kind
from master.api.printers.column import NAME, Column
from proto.k8s.quantity import decimal_text, parse, units

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
_PACKAGE = "io.k8s.metrics.pkg.apis.metrics.v1beta1"
_QUANTITY = {"$ref": "#/$defs/io.k8s.apimachinery.pkg.api.resource.Quantity"}
_USAGE: Json = {
    "type": "object",
    "description": "The memory usage is the memory working set.",
    "additionalProperties": _QUANTITY,
}
_TIMES: Json = {
    "timestamp": {
        "type": "string",
        "format": "date-time",
        "description": "The following fields define time interval from which metrics were collected from the interval "
        "[Timestamp-Window, Timestamp].",
    },
    "window": {"type": "string", "description": "The length of that interval, as a duration."},
}
_CONTAINER: Json = {
    "type": "object",
    "description": "ContainerMetrics sets resource usage metrics of a container.",
    "required": ["name", "usage"],
    "properties": {
        "name": {"type": "string", "description": "Container name corresponding to the one from pod.spec.containers."},
        "usage": _USAGE,
    },
}
_COLUMNS = (
    NAME,
    Column(name="cpu", format="quantity"),
    Column(name="memory", format="quantity"),
    Column(name="Window", format="duration"),
)


def _node_row(obj: Json, now: datetime) -> Sequence[Any]:
    return [obj["metadata"]["name"], obj["usage"]["cpu"], obj["usage"]["memory"], obj["window"]]


def _pod_row(obj: Json, now: datetime) -> Sequence[Any]:
    usages = [container["usage"] for container in obj["containers"]]
    cpu = sum((parse(usage["cpu"]) for usage in usages), Decimal(0))
    return [
        obj["metadata"]["name"],
        decimal_text(cpu),
        memory_text(sum(units(usage["memory"]) for usage in usages)),
        obj["window"],
    ]


def cpu_text(nanocores: int) -> str:
    return decimal_text(Decimal(nanocores).scaleb(-9))


def memory_text(size: int) -> str:
    """In whole Ki, rounded up: pages are no smaller."""
    return f"{-(-size // 1024)}Ki"


NODE_METRICS = Kind(
    group=GROUP,
    version=VERSION,
    kind="NodeMetrics",
    plural="nodes",
    singular="",
    namespaced=False,
    definition=f"{_PACKAGE}.NodeMetrics",
    verbs=("get", "list"),
    made=True,
    columns=_COLUMNS,
    row=_node_row,
    schema={
        "description": "NodeMetrics sets resource usage metrics of a node.",
        "type": "object",
        "required": ["timestamp", "window", "usage"],
        "properties": {**_TIMES, "usage": _USAGE},
    },
)

POD_METRICS = Kind(
    group=GROUP,
    version=VERSION,
    kind="PodMetrics",
    plural="pods",
    singular="",
    definition=f"{_PACKAGE}.PodMetrics",
    verbs=("get", "list"),
    made=True,
    columns=_COLUMNS,
    row=_pod_row,
    schema={
        "description": "PodMetrics sets resource usage metrics of a pod.",
        "type": "object",
        "required": ["timestamp", "window", "containers"],
        "properties": {
            **_TIMES,
            "containers": {
                "type": "array",
                "description": "Metrics for all containers are collected within the same time window.",
                "items": _CONTAINER,
            },
        },
    },
)

RESOURCE_METRICS = (NODE_METRICS, POD_METRICS)
