"""additionalPrinterColumns: what `kubectl get` shows of a custom resource. Without any, its age."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from master.api.custom_resources.json_path import InvalidPath, compile_path, printed
from master.api.custom_resources.structural.schema import Json
from master.api.printers.column import NAME, Column
from master.api.printers.duration import human_duration

_AGE: Json = {
    "name": "Age",
    "type": "date",
    "jsonPath": ".metadata.creationTimestamp",
    "description": "CreationTimestamp is a timestamp representing the server time when this object was created. It is not "
    "guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is "
    "represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
}

Row = Callable[[Json, datetime], Sequence[Any]]


def columns_of(declared: Sequence[Json]) -> tuple[tuple[Column, ...], Row]:
    """The columns of a version, and the function that makes a row."""
    columns = [NAME]
    cells: list[Callable[[Json, datetime], Any]] = []
    for one in declared or (_AGE,):
        description = one.get("description") or f"Custom resource definition column (in JSONPath format): {one['jsonPath']}"
        columns.append(
            Column(
                name=one["name"],
                type=one["type"],
                format=one.get("format") or "",
                description=description,
                priority=one.get("priority") or 0,
            )
        )
        cells.append(_cell(one["type"], one["jsonPath"]))

    def row(obj: Json, now: datetime) -> Sequence[Any]:
        return [obj["metadata"]["name"], *[cell(obj, now) for cell in cells]]

    return tuple(columns), row


def _cell(kind: str, path: str) -> Callable[[Json, datetime], Any]:
    try:
        find = compile_path(path)
    except InvalidPath:
        return lambda obj, now: None

    def cell(obj: Json, now: datetime) -> Any:
        found = find(obj)
        return _shown(kind, found[0], now) if found else None

    return cell


def _shown(kind: str, value: Any, now: datetime) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match kind:
        case "string":
            return printed(value) if value is not None else None
        case "integer" if number:
            return int(value)
        case "number" if number:
            return float(value) if isinstance(value, float) else value
        case "boolean" if isinstance(value, bool):
            return value
        case "date" if isinstance(value, str):
            try:
                return human_duration((now - datetime.fromisoformat(value)).total_seconds())
            except (ValueError, TypeError):
                return "<invalid>"
    return None
