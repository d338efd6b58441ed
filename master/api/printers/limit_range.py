"""`kubectl get limitranges`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.column import NAME, Column

COLUMNS = (
    NAME,
    Column(name="Created At", type="date"),
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp")]
