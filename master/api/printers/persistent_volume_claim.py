"""`kubectl get persistentvolumeclaims`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import UNSET, access_modes_cell
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

COLUMNS = (
    NAME,
    Column(name="Status"),
    Column(name="Volume"),
    Column(name="Capacity"),
    Column(name="Access Modes"),
    Column(name="StorageClass", description="StorageClass of the pvc"),
    Column(name="VolumeAttributesClass", description="VolumeAttributesClass of the pvc"),
    AGE,
    Column(name="VolumeMode", priority=1),
)
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    volume = spec.get("volumeName") or ""
    annotated = (metadata.get("annotations") or {}).get(_CLASS_ANNOTATION)
    return [
        metadata["name"],
        "Terminating" if metadata.get("deletionTimestamp") else status.get("phase", ""),
        volume,
        (status.get("capacity") or {}).get("storage", "0") if volume else "",
        access_modes_cell(status.get("accessModes")) if volume else "",
        annotated or spec.get("storageClassName") or "",
        spec.get("volumeAttributesClassName") or UNSET,
        age(obj, now),
        spec.get("volumeMode") or UNSET,
    ]
