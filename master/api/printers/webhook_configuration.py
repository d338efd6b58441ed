"""`kubectl get validatingwebhookconfigurations` and `kubectl get mutatingwebhookconfigurations`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

COLUMNS = (
    NAME,
    Column(
        name="Webhooks",
        type="integer",
        description="Webhooks indicates the number of webhooks registered in this configuration",
    ),
    AGE,
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    return [obj["metadata"]["name"], len(obj.get("webhooks") or ()), age(obj, now)]
