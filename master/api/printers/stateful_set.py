"""`kubectl get statefulsets`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import container_cells
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

COLUMNS = (
    NAME,
    Column(name="Ready", description="Number of the pod with ready state"),
    AGE,
    Column(name="Containers", priority=1, description="Names of each container in the template."),
    Column(name="Images", priority=1, description="Images referenced by each container in the template."),
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}"
    return [obj["metadata"]["name"], ready, age(obj, now), *container_cells(spec.get("template") or {})]
