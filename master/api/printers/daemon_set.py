"""`kubectl get daemonsets`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import container_cells, labels_cell, selector_cell
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

COLUMNS = (
    NAME,
    Column(name="Desired", type="integer"),
    Column(name="Current", type="integer"),
    Column(name="Ready", type="integer"),
    Column(name="Up-to-date", type="integer"),
    Column(name="Available", type="integer"),
    Column(name="Node Selector"),
    AGE,
    Column(name="Containers", priority=1, description="Names of each container in the template."),
    Column(name="Images", priority=1, description="Images referenced by each container in the template."),
    Column(name="Selector", priority=1),
)
_COUNTS = (
    "desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled", "numberAvailable",
)  # fmt: skip


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    template = spec.get("template") or {}
    return [
        obj["metadata"]["name"],
        *(status.get(count, 0) for count in _COUNTS),
        labels_cell((template.get("spec") or {}).get("nodeSelector")),
        age(obj, now),
        *container_cells(template),
        selector_cell(spec.get("selector")),
    ]
