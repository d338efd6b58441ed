"""`kubectl get componentstatuses`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.column import NAME, Column

COLUMNS = (NAME, Column(name="Status"), Column(name="Message"), Column(name="Error"))


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    for condition in obj.get("conditions") or ():
        if condition.get("type") == "Healthy":
            healthy = {"True": "Healthy", "False": "Unhealthy"}.get(condition.get("status"), "Unknown")
            return [obj["metadata"]["name"], healthy, condition.get("message", ""), condition.get("error", "")]
    return [obj["metadata"]["name"], "Unknown", "", ""]
