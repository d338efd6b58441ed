"""Ages as kubectl prints them: "5s", "3m12s", "2h", "5d3h", "2y14d".

The thresholds are those of k8s.io/apimachinery's duration.HumanDuration.
"""

from datetime import datetime
from typing import Any

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_YEAR = 365 * _DAY


def human_duration(seconds: float) -> str:
    """A duration in at most two units, less exact the longer it is. A clock skew of up to two seconds counts as 0."""
    if int(seconds) < -1:
        return "<invalid>"
    whole = max(0, int(seconds))
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    if whole < 10 * _MINUTE:
        return _two(whole, _MINUTE, "m", 1, "s")
    if whole < 3 * _HOUR:
        return f"{whole // _MINUTE}m"
    if whole < 8 * _HOUR:
        return _two(whole, _HOUR, "h", _MINUTE, "m")
    if whole < 2 * _DAY:
        return f"{whole // _HOUR}h"
    if whole < 8 * _DAY:
        return _two(whole, _DAY, "d", _HOUR, "h")
    if whole < 2 * _YEAR:
        return f"{whole // _DAY}d"
    if whole < 8 * _YEAR:
        return _two(whole, _YEAR, "y", _DAY, "d")
    return f"{whole // _YEAR}y"


def _two(whole: int, large: int, large_unit: str, small: int, small_unit: str) -> str:
    rest = whole % large // small
    return f"{whole // large}{large_unit}{rest}{small_unit}" if rest else f"{whole // large}{large_unit}"


def parse_time(timestamp: str) -> datetime | None:
    """An RFC 3339 time, or None for one that is not."""
    try:
        parsed = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else None


def since(timestamp: Any, now: datetime) -> str:
    """How long ago a timestamp was; "<unknown>" when it is not set."""
    if not isinstance(timestamp, str) or not (then := parse_time(timestamp)):
        return "<unknown>"
    return human_duration((now - then).total_seconds())


def age(obj: dict[str, Any], now: datetime) -> str:
    """The AGE cell of any object."""
    return since(obj["metadata"].get("creationTimestamp"), now)
