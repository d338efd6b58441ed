"""Conflicts of an apply: fields that others own and to which it gives other values.

Source: k8s.io/apimachinery pkg/util/managedfields/internal/conflict.go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from master.api.apply.field_sets import EMPTY, FieldSet, contains, of, paths, union
from master.api.apply.managed_fields import UPDATE, ManagerId
from master.api.apply.path_elements import Path, describe
from master.client.errors import StatusError


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """One field of one other manager."""

    owner: ManagerId
    path: Path


class Conflicts(Exception):
    """An apply that would take fields of others."""

    def __init__(self, found: Sequence[FieldConflict]) -> None:
        super().__init__(f"{len(found)} conflicts")
        self.found = found

    @classmethod
    def of_owners(cls, fields: Mapping[ManagerId, FieldSet]) -> "Conflicts":
        """`fields`: which of their fields are wanted."""
        return cls([FieldConflict(owner, path) for owner, taken in sorted(fields.items()) for path in paths(taken)])

    def fields(self) -> FieldSet:
        """All fields of all owners."""
        result = EMPTY
        for conflict in self.found:
            result = union(result, of(conflict.path))
        return result

    def without(self, allowed: FieldSet) -> "Conflicts":
        return Conflicts([conflict for conflict in self.found if not contains(allowed, conflict.path)])

    def status(self) -> StatusError:
        """What the client is told: 409 with a cause for each field."""
        causes = [
            {
                "reason": "FieldManagerConflict",
                "message": f"conflict with {_described(conflict.owner)}",
                "field": describe(conflict.path),
            }
            for conflict in self.found
        ]
        return StatusError(409, "Conflict", self._message(), details={"causes": causes})

    def _message(self) -> str:
        if len(self.found) == 1:
            (only,) = self.found
            return f"Apply failed with 1 conflict: conflict with {_described(only.owner)}: {describe(only.path)}"
        by_owner: dict[ManagerId, list[Path]] = {}
        for conflict in self.found:
            by_owner.setdefault(conflict.owner, []).append(conflict.path)
        lines: list[str] = []
        for owner, found in sorted(by_owner.items()):
            lines.append(f"conflicts with {_described(owner)}:")
            lines.extend(f"- {describe(path)}" for path in found)
        return f"Apply failed with {len(self.found)} conflicts: " + "\n".join(lines)


def _described(owner: ManagerId) -> str:
    text = f'"{owner.manager}"'
    if owner.subresource:
        text += f' with subresource "{owner.subresource}"'
    return f"{text} using {owner.api_version}" if owner.operation == UPDATE else text
