"""Event in core/v1: what happened to an object. The form that events are stored in; see also events_event.py."""

from collections.abc import Callable

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules.event_validation import validate_event
from master.api.printers import event as printer
from master.client.errors import Cause


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    return validate_event(obj, old, strict=False)


def _involved(field: str) -> Callable[[Json], str]:
    return lambda obj: (obj.get("involvedObject") or {}).get(field, "")


def _top(field: str) -> Callable[[Json], str]:
    return lambda obj: obj.get(field, "")


def _source(obj: Json) -> str:
    return (obj.get("source") or {}).get("component") or obj.get("reportingComponent") or ""


KIND = Kind(
    group="",
    version="v1",
    kind="Event",
    plural="events",
    singular="event",
    short_names=("ev",),
    definition="io.k8s.api.core.v1.Event",
    validate=_validate,
    columns=printer.COLUMNS,
    row=printer.row,
    field_selectors={
        **{
            f"involvedObject.{field}": _involved(field)
            for field in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
        },
        "reason": _top("reason"),
        "reportingComponent": _top("reportingComponent"),
        "source": _source,
        "type": _top("type"),
    },
)
