"""meta.k8s.io/v1 Table: what the API answers to `Accept: application/json;as=Table;v=v1;g=meta.k8s.io`.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from master.api.kinds.kind import Kind

Json = dict[str, Any]


def table(
    kind: Kind,
    objects: Sequence[Json],
    *,
    include_object: Literal["Metadata", "Object", "None"] = "Metadata",
    now: datetime | None = None,
) -> Json:
    """The objects as rows. `include_object`: what each row carries beside its cells. The list's metadata is the caller's to
    set; `now` is what ages are counted from.
    """
    now = now or datetime.now(UTC)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": [column.definition() for column in kind.columns],
        "rows": [_row(kind, obj, include_object, now) for obj in objects],
    }


def _row(kind: Kind, obj: Json, include_object: str, now: datetime) -> Json:
    row: Json = {"cells": list(kind.row(obj, now))}
    match include_object:
        case "Metadata":
            row["object"] = {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": obj["metadata"],
            }
        case "Object":
            row["object"] = obj
    return row
