"""`kubectl get replicationcontrollers`: as ReplicaSets, but for the selector, which is a map of labels here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers import replica_set
from master.api.printers.cells import labels_cell

COLUMNS = replica_set.COLUMNS


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    *cells, _selector = replica_set.row({**obj, "spec": {**(obj.get("spec") or {}), "selector": None}}, now)
    return [*cells, labels_cell((obj.get("spec") or {}).get("selector"))]
