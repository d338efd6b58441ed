"""`kubectl get apiservices`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

COLUMNS = (
    NAME,
    Column(name="Service", description="The reference to the service that hosts this API endpoint."),
    Column(name="Available", description="Whether this service is available."),
    AGE,
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    service = (obj.get("spec") or {}).get("service")
    where = "Local" if service is None else f"{service.get('namespace', '')}/{service.get('name', '')}"
    return [obj["metadata"]["name"], where, _available(obj.get("status") or {}), age(obj, now)]


def _available(status: dict[str, Any]) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Available":
            text: str = condition.get("status", "")
            reason = condition.get("reason")
            return f"{text} ({reason})" if reason and text != "True" else text
    return "Unknown"
