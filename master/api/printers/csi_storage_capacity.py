"""`kubectl get csistoragecapacities`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.column import NAME, Column

COLUMNS = (
    NAME,
    Column(name="StorageClassName", description="The StorageClass that the reported capacity applies to."),
    Column(name="Capacity", description="The capacity that the driver reported."),
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    return [obj["metadata"]["name"], obj.get("storageClassName", ""), obj.get("capacity") or "<unset>"]
