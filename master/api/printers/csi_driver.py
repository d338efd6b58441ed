"""`kubectl get csidrivers`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.cells import NONE
from master.api.printers.column import AGE, NAME, Column
from master.api.printers.duration import age

_UNSET = "<unset>"

COLUMNS = (
    NAME,
    Column(name="AttachRequired", type="boolean", description="Whether the driver requires an attach operation."),
    Column(name="PodInfoOnMount", type="boolean", description="Whether the driver wants to know the pod when it mounts."),
    Column(name="StorageCapacity", type="boolean", description="Whether scheduling considers the capacity that it reports."),
    Column(name="TokenRequests", description="The audiences of the service account tokens that the driver needs."),
    Column(name="RequiresRepublish", type="boolean", description="Whether volumes are published again periodically."),
    Column(name="Modes", description="What kind of volumes the driver supports."),
    AGE,
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    spec = obj.get("spec") or {}
    tokens = spec.get("tokenRequests")
    return [
        obj["metadata"]["name"],
        spec.get("attachRequired") is not False,
        bool(spec.get("podInfoOnMount")),
        bool(spec.get("storageCapacity")),
        _UNSET if tokens is None else ",".join(token.get("audience", "") for token in tokens),
        bool(spec.get("requiresRepublish")),
        ",".join(spec.get("volumeLifecycleModes") or ()) or NONE,
        age(obj, now),
    ]
