"""Timestamps and durations, their accessors in a time zone, and the conversions to them."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from master.api.cel.declarations import define
from master.api.cel.errors import EvaluationError
from master.api.cel.values import Duration, duration_checked

_UNITS = {"h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "µs": 1_000,
          "μs": 1_000, "ns": 1}  # fmt: skip
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|us|µs|μs|ns|m|s)")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\Z")
_OFFSET = re.compile(r"([+-]?)(\d\d):(\d\d)\Z")


def parse_duration(text: str) -> Duration:
    """Go's form: "1h30m", "-1.5s". Raises EvaluationError."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return Duration(0)
    total = 0.0
    whole = 0
    position = 0
    while position < len(rest):
        match = _PART.match(rest, position)
        if match is None or len(match.group(1)) > 30:
            break
        number, unit = match.groups()
        if "." in number:
            total += float(number if number != "." else "0") * _UNITS[unit]
        else:
            whole += int(number) * _UNITS[unit]
        position = match.end()
    if not rest or position < len(rest):
        raise EvaluationError(f'time: invalid duration "{text[:64]}"')
    return duration_checked(sign * (whole + round(total)))


def parse_timestamp(text: str) -> datetime:
    """RFC 3339. Raises EvaluationError."""
    try:
        if not _RFC3339.match(text):
            raise ValueError(text)
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        layout = "2006-01-02T15:04:05Z07:00"
        shown = text[:64]
        raise EvaluationError(f'parsing time "{shown}" as "{layout}": cannot parse "{shown}" as "{layout}"') from None


def format_duration(value: Duration) -> str:
    """Seconds, as `string(duration)` gives: "5400s", "1.5s"."""
    seconds, rest = divmod(abs(value.nanoseconds), 1_000_000_000)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{'-' if value.nanoseconds < 0 else ''}{seconds}{fraction}s"


def format_timestamp(value: datetime) -> str:
    text = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{value.microsecond:06d}".rstrip("0") if value.microsecond else ""
    return f"{text}{fraction}Z"


def _zone(name: str) -> tzinfo:
    match = _OFFSET.match(name)
    if match is not None:
        sign, hours, minutes = match.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        if offset < timedelta(hours=24):
            return timezone(-offset if sign == "-" else offset)
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise EvaluationError(f"unknown time zone {name[:64]}") from None


def _accessor(name: str, read: Callable[[datetime], int]) -> tuple[Any, ...]:
    return (
        define(name, "timestamp.() -> int", lambda value: read(value.astimezone(UTC))),
        define(name, "timestamp.(string) -> int", lambda value, zone: read(value.astimezone(_zone(zone)))),
    )


def _whole(nanoseconds: int, unit: int) -> int:
    return abs(nanoseconds) // unit * (1 if nanoseconds >= 0 else -1)


OVERLOADS = (
    define("duration", "(duration) -> duration", lambda value: value),
    define("duration", "(string) -> duration", parse_duration),
    define("duration", "(int) -> duration", lambda value: duration_checked(value)),
    define("timestamp", "(timestamp) -> timestamp", lambda value: value),
    define("timestamp", "(string) -> timestamp", parse_timestamp),
    define("timestamp", "(int) -> timestamp", lambda value: _from_seconds(value)),
    *_accessor("getFullYear", lambda at: at.year),
    *_accessor("getMonth", lambda at: at.month - 1),
    *_accessor("getDate", lambda at: at.day),
    *_accessor("getDayOfMonth", lambda at: at.day - 1),
    *_accessor("getDayOfWeek", lambda at: at.isoweekday() % 7),
    *_accessor("getDayOfYear", lambda at: at.timetuple().tm_yday - 1),
    *_accessor("getHours", lambda at: at.hour),
    *_accessor("getMinutes", lambda at: at.minute),
    *_accessor("getSeconds", lambda at: at.second),
    *_accessor("getMilliseconds", lambda at: at.microsecond // 1000),
    define("getHours", "duration.() -> int", lambda value: _whole(value.nanoseconds, _UNITS["h"])),
    define("getMinutes", "duration.() -> int", lambda value: _whole(value.nanoseconds, _UNITS["m"])),
    define("getSeconds", "duration.() -> int", lambda value: _whole(value.nanoseconds, _UNITS["s"])),
    define("getMilliseconds", "duration.() -> int", lambda value: _whole(value.nanoseconds, _UNITS["ms"])),
)


def _from_seconds(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise EvaluationError("timestamp overflow") from None
