"""`kubectl get networkpolicies`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import selector_cell
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

COLUMNS = (NAME, Column(name="Pod-Selector", description="The pods that the policy selects"), AGE)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    return [obj["metadata"]["name"], selector_cell((obj.get("spec") or {}).get("podSelector")), age(obj, now)]
