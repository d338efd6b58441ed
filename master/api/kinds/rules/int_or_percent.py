"""Numbers that may be given as a share: `2` or `"25%"` (ValidatePositiveIntOrPercent)."""

from typing import Any

from master.api.kinds.rules.field_errors import invalid
from master.api.kinds.rules.numbers import not_negative
from master.client.errors import Cause

_PERCENT_MESSAGE = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)


def validate_int_or_percent(value: Any, path: str, *, at_most_all: bool = False) -> list[Cause]:
    """Errors of a number of things. `at_most_all`: a share may not be more than 100%."""
    if not isinstance(value, str):
        return not_negative(value, path)
    if not _is_percent(value):
        return [invalid(path, value, _PERCENT_MESSAGE)]
    if at_most_all and int(value[:-1]) > 100:
        return [invalid(path, value, "must not be greater than 100%")]
    return []


def is_zero(value: Any) -> bool:
    """Whether a valid number, or share, of things is none at all; an unset one is."""
    return not int(value.rstrip("%")) if isinstance(value, str) else not value


def _is_percent(value: str) -> bool:
    return value.endswith("%") and value[:-1].isascii() and value[:-1].isdigit()
