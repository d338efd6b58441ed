"""`kubectl get cronjobs`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import NONE, UNSET, container_cells, selector_cell
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age, since

COLUMNS = (
    NAME,
    Column(name="Schedule"),
    Column(name="Timezone"),
    Column(name="Suspend", type="boolean"),
    Column(name="Active", type="integer"),
    Column(name="Last Schedule"),
    AGE,
    Column(name="Containers", priority=1, description="Names of each container in the template."),
    Column(name="Images", priority=1, description="Images referenced by each container in the template."),
    Column(name="Selector", priority=1),
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    suspended = spec.get("suspend")
    return [
        obj["metadata"]["name"],
        spec.get("schedule", ""),
        spec.get("timeZone") or NONE,
        UNSET if suspended is None else str(suspended),
        len(status.get("active") or ()),
        since(status["lastScheduleTime"], now) if status.get("lastScheduleTime") else NONE,
        age(obj, now),
        *container_cells(job.get("template") or {}),
        selector_cell(job.get("selector")),
    ]
