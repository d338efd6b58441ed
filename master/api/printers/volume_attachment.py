"""`kubectl get volumeattachments`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

COLUMNS = (
    NAME,
    Column(name="Attacher", format="name", description="The volume driver that must handle this request."),
    Column(name="PV", description="The persistent volume that is to be attached."),
    Column(name="Node", description="The node that the volume should be attached to."),
    Column(name="Attached", type="boolean", description="Whether the volume is attached."),
    AGE,
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return [
        obj["metadata"]["name"],
        spec.get("attacher", ""),
        (spec.get("source") or {}).get("persistentVolumeName") or "",
        spec.get("nodeName", ""),
        bool(status.get("attached")),
        age(obj, now),
    ]
