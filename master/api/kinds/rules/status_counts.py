"""What a workload's status says in numbers: required ones, none negative, parts not above the whole."""

from collections.abc import Sequence
from typing import Any

from master.api.kinds.rules.field_errors import invalid
from master.api.kinds.rules.numbers import not_negative
from master.client.errors import Cause

Json = dict[str, Any]


def default_counts(obj: Json, fields: Sequence[str]) -> None:
    """Go's types write these zeros always, and typed clients rely on them."""
    status = obj.get("status")
    if status is not None:
        for field in fields:
            status.setdefault(field, 0)


def validate_counts(status: Json, fields: Sequence[str]) -> list[Cause]:
    return [cause for field in fields for cause in not_negative(status.get(field), f"status.{field}")]


def validate_parts(status: Json, parts: Sequence[str], *, ready: str = "readyReplicas") -> list[Cause]:
    """Each of these is part of `replicas`, and what is available is ready. `ready`: what the kind calls that in its error."""
    counts = {part: status.get(part) or 0 for part in parts}
    causes = [
        invalid(f"status.{part}", count, "cannot be greater than status.replicas")
        for part, count in counts.items()
        if count > (status.get("replicas") or 0)
    ]
    if counts["availableReplicas"] > counts["readyReplicas"]:
        causes.append(invalid("status.availableReplicas", counts["availableReplicas"], f"cannot be greater than {ready}"))
    return causes


def validate_collisions(status: Json, before: Json) -> list[Cause]:
    """`collisionCount` keeps names of child objects apart: it only grows."""
    count = status.get("collisionCount") or 0
    if count < (before.get("collisionCount") or 0):
        return [invalid("status.collisionCount", count, "cannot be decremented")]
    return []
