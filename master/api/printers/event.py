"""`kubectl get events`; for core/v1 Events (the view of events.k8s.io prints the same cells)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from master.api.printers.column import NAME, Column
from master.api.printers.duration import since

COLUMNS = (
    Column(name="Last Seen"),
    Column(name="Type"),
    Column(name="Reason"),
    Column(name="Object"),
    Column(name="Subobject", priority=1),
    Column(name="Source", priority=1),
    Column(name="Message"),
    Column(name="First Seen", priority=1),
    Column(name="Count", priority=1),
    Column(name=NAME.name, priority=1, format="name", description=NAME.description),
)


def row(obj: dict[str, Any], now: datetime) -> Sequence[Any]:
    event_time, first = obj.get("eventTime"), obj.get("firstTimestamp")
    first_seen = since(first or event_time, now)
    last_seen = since(obj["lastTimestamp"], now) if obj.get("lastTimestamp") else first_seen
    count = obj.get("count") or 0
    if series := obj.get("series"):
        last_seen = since(series.get("lastObservedTime"), now)
        count = series.get("count") or 0
    elif not count:
        # A single event of events.k8s.io counts none.
        count = 1
    involved = obj.get("involvedObject") or {}
    return [
        last_seen,
        obj.get("type", ""),
        obj.get("reason", ""),
        _object(involved),
        involved.get("fieldPath", ""),
        _source(obj),
        str(obj.get("message", "")).strip(),
        first_seen,
        str(count),
        obj["metadata"]["name"],
    ]


def _object(involved: dict[str, Any]) -> str:
    kind, name = str(involved.get("kind", "")).lower(), involved.get("name")
    return f"{kind}/{name}" if name else kind


def _source(obj: dict[str, Any]) -> str:
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    return f"{component}, {host}" if host else component
