"""The table of kinds for which Kubernetes has no columns of its own: the name and when the object was created."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.column import AGE, NAME, Column

COLUMNS = (NAME, Column(name="Created At", type="date", description=AGE.description))


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    metadata = obj["metadata"]
    return [metadata["name"], metadata.get("creationTimestamp") or ""]
