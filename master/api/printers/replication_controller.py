"""`kubectl get replicationcontrollers`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import container_cells, labels_cell
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

COLUMNS = (
    NAME,
    Column(name="Desired", type="integer"),
    Column(name="Current", type="integer"),
    Column(name="Ready", type="integer"),
    AGE,
    Column(name="Containers", priority=1, description="Names of each container in the template."),
    Column(name="Images", priority=1, description="Images referenced by each container in the template."),
    Column(name="Selector", priority=1),
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    containers, images = container_cells(spec.get("template") or {})
    return [
        obj["metadata"]["name"],
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        age(obj, now),
        containers,
        images,
        labels_cell(spec.get("selector")),
    ]
