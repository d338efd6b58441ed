"""`kubectl get crds`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.column import NAME, Column

COLUMNS = (
    NAME,
    Column(
        name="Created At",
        type="date",
        description="CreationTimestamp is a timestamp representing the server time when this object was created. It is not "
        "guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is "
        "represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
        "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
    ),
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp")]
