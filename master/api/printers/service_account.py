"""`kubectl get serviceaccounts`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

COLUMNS = (NAME, Column(name="Secrets"), AGE)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    return [obj["metadata"]["name"], len(obj.get("secrets") or ()), age(obj, now)]
