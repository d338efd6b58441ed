"""`kubectl get jobs`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import container_cells, selector_cell
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age, human_duration, parse_time

COLUMNS = (
    NAME,
    Column(name="Status", description="Status of the job."),
    Column(name="Completions", description="The number of pods which reached phase Succeeded."),
    Column(name="Duration", description="Time required to complete the job."),
    AGE,
    Column(name="Containers", priority=1, description="Names of each container in the template."),
    Column(name="Images", priority=1, description="Images referenced by each container in the template."),
    Column(name="Selector", priority=1),
)
#: What a job's conditions say of it: the first of these that is true.
_FINISHED = ("Complete", "Failed")
_UNFINISHED = ("Suspended", "FailureTarget", "SuccessCriteriaMet")


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return [
        obj["metadata"]["name"],
        _status(obj, status),
        _completions(spec, status),
        _duration(status, now),
        age(obj, now),
        *container_cells(spec.get("template") or {}),
        selector_cell(spec.get("selector")),
    ]


def _status(obj: dict[str, Any], status: dict[str, Any]) -> str:
    true = {c.get("type") for c in status.get("conditions") or () if c.get("status") == "True"}
    finished = next((name for name in _FINISHED if name in true), "")
    if finished:
        return finished
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return next((name for name in _UNFINISHED if name in true), "Running")


def _completions(spec: dict[str, Any], status: dict[str, Any]) -> str:
    succeeded = status.get("succeeded", 0)
    if spec.get("completions") is not None:
        return f"{succeeded}/{spec['completions']}"
    parallelism = spec.get("parallelism") or 0
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _duration(status: dict[str, Any], now: datetime) -> str:
    started = parse_time(status.get("startTime") or "")
    if started is None:
        return ""
    completed = parse_time(status.get("completionTime") or "")
    return human_duration(((completed or now) - started).total_seconds())
