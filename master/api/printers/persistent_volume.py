"""`kubectl get persistentvolumes`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import UNSET, access_modes_cell
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

COLUMNS = (
    NAME,
    Column(name="Capacity"),
    Column(name="Access Modes"),
    Column(name="Reclaim Policy"),
    Column(name="Status"),
    Column(name="Claim"),
    Column(name="StorageClass", description="StorageClass of the pv"),
    Column(name="VolumeAttributesClass", description="VolumeAttributesClass of the pv"),
    Column(name="Reason"),
    AGE,
    Column(name="VolumeMode", priority=1),
)
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    claim = spec.get("claimRef")
    annotated = (metadata.get("annotations") or {}).get(_CLASS_ANNOTATION)
    return [
        metadata["name"],
        (spec.get("capacity") or {}).get("storage", "0"),
        access_modes_cell(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", ""),
        "Terminating" if metadata.get("deletionTimestamp") else status.get("phase", ""),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        annotated or spec.get("storageClassName") or "",
        spec.get("volumeAttributesClassName") or UNSET,
        status.get("reason", ""),
        age(obj, now),
        spec.get("volumeMode") or UNSET,
    ]
