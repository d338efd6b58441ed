"""`kubectl get priorityclasses`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

COLUMNS = (
    NAME,
    Column(name="Value", type="integer", description="value represents the integer value of this priority class."),
    Column(name="Global-Default", type="boolean", description="globalDefault specifies whether this is the default priority."),
    AGE,
    Column(name="PreemptionPolicy", description="preemptionPolicy is the policy for preempting pods with lower priority."),
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    return [
        obj["metadata"]["name"],
        obj.get("value", 0),
        bool(obj.get("globalDefault")),
        age(obj, now),
        obj.get("preemptionPolicy", ""),
    ]
