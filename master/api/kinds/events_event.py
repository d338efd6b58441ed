"""Event in events.k8s.io/v1: another view of core's Event, stored as such."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from master.api.kinds.event import KIND as CORE_EVENT
from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules.event_validation import validate_event
from master.api.printers import event as printer
from master.client.errors import Cause

#: Fields whose names differ: here, and in core/v1.
_RENAMED = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_CORE_NAMES = {core: name for name, core in _RENAMED.items()}


def _to_stored(obj: Json) -> Json:
    stored = {_RENAMED.get(key, key): value for key, value in obj.items()}
    stored.update(apiVersion=CORE_EVENT.api_version, kind=CORE_EVENT.kind)
    return stored


def _from_stored(obj: Json) -> Json:
    shown = {_CORE_NAMES.get(key, key): value for key, value in obj.items()}
    shown.update(apiVersion="events.k8s.io/v1", kind=CORE_EVENT.kind)
    return shown


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    return validate_event(_to_stored(obj), None if old is None else _to_stored(old), strict=True)


def _row(obj: Json, now: datetime) -> Sequence[Any]:
    return printer.row(_to_stored(obj), now)


def _selector(read: Callable[[Json], str]) -> Callable[[Json], str]:
    return lambda obj: read(_to_stored(obj))


KIND = Kind(
    group="events.k8s.io",
    version="v1",
    kind="Event",
    plural="events",
    singular="event",
    short_names=("ev",),
    definition="io.k8s.api.events.v1.Event",
    validate=_validate,
    columns=printer.COLUMNS,
    row=_row,
    field_selectors={
        **{
            name.replace("involvedObject.", "regarding.").replace("reportingComponent", "reportingController"): _selector(read)
            for name, read in CORE_EVENT.field_selectors.items()
            if name != "source"
        },
    },
    stored_as=CORE_EVENT.resource,
    to_stored=_to_stored,
    from_stored=_from_stored,
)
