"""Rules of numbers."""

from typing import Any

from master.api.kinds.rules.field_errors import invalid
from master.client.errors import Cause


def not_negative(value: Any, path: str) -> list[Cause]:
    """Errors of a number that counts something; an unset one has none."""
    return [] if value is None or value >= 0 else [invalid(path, value, "must be greater than or equal to 0")]
