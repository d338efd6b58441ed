"""`kubectl get podtemplates`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import container_cells, labels_cell
from master.api.printers.column import NAME, Column

COLUMNS = (
    NAME,
    Column(name="Containers", description="Names of each container in the template."),
    Column(name="Images", description="Images referenced by each container in the template."),
    Column(name="Pod Labels", description="The labels for the pod template."),
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    template = obj.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels")
    return [obj["metadata"]["name"], *container_cells(template), labels_cell(labels)]
