"""`kubectl get runtimeclasses`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

COLUMNS = (NAME, Column(name="Handler", description="The runtime and its configuration that nodes use for the class."), AGE)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    return [obj["metadata"]["name"], obj.get("handler", ""), age(obj, now)]
