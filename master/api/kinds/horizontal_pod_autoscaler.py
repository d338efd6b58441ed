"""HorizontalPodAutoscaler in autoscaling/v2, the form that it is stored in; see also horizontal_pod_autoscaler_v1.py."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules.autoscaler_defaults import default_autoscaler
from master.api.kinds.rules.autoscaler_validation import validate_autoscaler, validate_autoscaler_status
from master.api.kinds.rules.lifecycle import keep_status, only_status
from master.api.kinds.rules.status_counts import default_counts
from master.api.printers import horizontal_pod_autoscaler as printer
from master.client.errors import Cause


def _default(obj: Json) -> None:
    default_autoscaler(obj.setdefault("spec", {}))
    default_counts(obj, ("desiredReplicas",))


def _prepare_for_create(obj: Json) -> None:
    obj["status"] = {"currentReplicas": 0, "desiredReplicas": 0}


def _validate_status(obj: Json, old: Json | None) -> list[Cause]:
    return validate_autoscaler_status(obj)


KIND = Kind(
    group="autoscaling",
    version="v2",
    kind="HorizontalPodAutoscaler",
    plural="horizontalpodautoscalers",
    singular="horizontalpodautoscaler",
    short_names=("hpa",),
    categories=("all",),
    definition="io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
    subresources=frozenset({"status"}),
    default=_default,
    validate=validate_autoscaler,
    validate_status=_validate_status,
    prepare_for_create=_prepare_for_create,
    prepare_for_update=keep_status,
    prepare_for_status_update=only_status,
    columns=printer.COLUMNS,
    row=printer.row,
)
