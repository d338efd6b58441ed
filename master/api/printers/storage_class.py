"""`kubectl get storageclasses`: the default class says so."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

_IS_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")

COLUMNS = (
    NAME,
    Column(name="Provisioner", description="Provisioner indicates the type of the provisioner."),
    Column(name="ReclaimPolicy", description="What happens to volumes of the class when they are released."),
    Column(name="VolumeBindingMode", description="When volumes are provisioned and bound."),
    Column(name="AllowVolumeExpansion", type="boolean", description="Whether volumes of the class may grow."),
    AGE,
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    metadata = obj["metadata"]
    annotations = metadata.get("annotations") or {}
    default = any(annotations.get(name) == "true" for name in _IS_DEFAULT)
    return [
        f"{metadata['name']} (default)" if default else metadata["name"],
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy") or "Delete",
        obj.get("volumeBindingMode") or "Immediate",
        bool(obj.get("allowVolumeExpansion")),
        age(obj, now),
    ]
