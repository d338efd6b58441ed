"""HorizontalPodAutoscaler in autoscaling/v1: another view of autoscaling/v2's, stored as such."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.kinds.horizontal_pod_autoscaler import KIND as V2
from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules.autoscaler_conversion import to_v1, to_v2
from master.api.kinds.rules.autoscaler_validation import validate_autoscaler, validate_autoscaler_status
from master.api.kinds.rules.lifecycle import keep_status, only_status
from master.api.kinds.rules.status_counts import default_counts
from master.api.printers import horizontal_pod_autoscaler as printer
from master.client.errors import Cause

_COUNTS = ("currentReplicas", "desiredReplicas")


def _default(obj: Json) -> None:
    obj.setdefault("spec", {}).setdefault("minReplicas", 1)
    default_counts(obj, _COUNTS)


def _stored(obj: Json) -> Json:
    """The v2 form, complete."""
    stored = to_v2(obj)
    V2.default(stored)
    return stored


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    return validate_autoscaler(_stored(obj), None if old is None else _stored(old))


def _validate_status(obj: Json, old: Json | None) -> list[Cause]:
    return validate_autoscaler_status(obj)


def _prepare_for_create(obj: Json) -> None:
    obj["status"] = dict.fromkeys(_COUNTS, 0)


def _row(obj: Json, now: datetime) -> Sequence[Any]:
    return printer.row(_stored(obj), now)


KIND = Kind(
    group="autoscaling",
    version="v1",
    kind="HorizontalPodAutoscaler",
    plural="horizontalpodautoscalers",
    singular="horizontalpodautoscaler",
    short_names=("hpa",),
    categories=("all",),
    definition="io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler",
    subresources=frozenset({"status"}),
    default=_default,
    validate=_validate,
    validate_status=_validate_status,
    prepare_for_create=_prepare_for_create,
    prepare_for_update=keep_status,
    prepare_for_status_update=only_status,
    columns=printer.COLUMNS,
    row=_row,
    stored_as=V2.resource,
    to_stored=_stored,
    from_stored=to_v1,
)
