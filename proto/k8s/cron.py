"""Schedules of CronJobs, in the language that Kubernetes reads (github.com/robfig/cron's standard parser).

Neither cronsim nor croniter reads it: it has `?`, `N/step` up to the end, `@every 90m`, and no 7 for Sunday, no `L`, no `#`.
The texts of errors are what a client of Kubernetes sees. Pure; called by the API's validation.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
_WEEKDAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0", "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
_EVERY = "@every "
_ZONE = re.compile(r"(?:CRON_)?TZ=\S* ")
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d*)?|\.\d+)(?P<unit>[^\d.]*)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_MAX_DIGITS = 18


class InvalidSchedule(ValueError):
    """Text that is no schedule, in the parser's words."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job is due: at these minutes of these hours, on days that fit.

    A day fits by its month and by both its day of the month and of the week; by either of these when both are restricted.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool


@dataclass(frozen=True, slots=True)
class Every:
    """A job is due once in each such time, which is at least a second."""

    period: timedelta


@dataclass(frozen=True, slots=True)
class _Bounds:
    least: int
    most: int
    names: Mapping[str, int]


_BOUNDS = (
    _Bounds(0, 59, {}), _Bounds(0, 23, {}), _Bounds(1, 31, {}), _Bounds(1, 12, _MONTHS), _Bounds(0, 6, _WEEKDAYS),
)  # fmt: skip


def parse_schedule(text: str) -> Schedule | Every:
    """The schedule without its time zone. Raises InvalidSchedule."""
    if not text:
        raise InvalidSchedule("empty spec string")
    if zone := _ZONE.match(text):
        text = text[zone.end() :].strip()
    if text.startswith(_EVERY):
        return Every(max(timedelta(seconds=1), _duration(text)))
    if text.startswith("@"):
        if text not in _DESCRIPTORS:
            raise InvalidSchedule(f"unrecognized descriptor: {text}")
        text = _DESCRIPTORS[text]
    fields = text.split()
    if len(fields) != len(_BOUNDS):
        raise InvalidSchedule(f"expected exactly {len(_BOUNDS)} fields, found {len(fields)}: [{' '.join(fields)}]")
    minutes, hours, days, months, weekdays = (_field(field, bounds) for field, bounds in zip(fields, _BOUNDS, strict=True))
    return Schedule(minutes[0], hours[0], days[0], months[0], weekdays[0], any_day=days[1], any_weekday=weekdays[1])


def _field(text: str, bounds: _Bounds) -> tuple[frozenset[int], bool]:
    """The numbers that a field lists, and whether it restricts nothing."""
    values: set[int] = set()
    starred = False
    for part in text.split(","):
        if part:
            numbers, star = _range(part, bounds)
            values.update(numbers)
            starred = starred or star
    return frozenset(values), starred


def _range(text: str, bounds: _Bounds) -> tuple[range, bool]:
    """`number`, `number-number` or `*`, each with an optional `/step`."""
    span, *steps = text.split("/")
    first, *rest = span.split("-")
    starred = first in ("*", "?")
    if starred:
        start, end = bounds.least, bounds.most
    else:
        start = end = _number(first, bounds.names)
        if len(rest) > 1:
            raise InvalidSchedule(f"too many hyphens: {text}")
        if rest:
            end = _number(rest[0], bounds.names)
    step = 1
    if len(steps) > 1:
        raise InvalidSchedule(f"too many slashes: {text}")
    if steps:
        step = _number(steps[0], {})
        if not rest:
            end = bounds.most
    if start < bounds.least:
        raise InvalidSchedule(f"beginning of range ({start}) below minimum ({bounds.least}): {text}")
    if end > bounds.most:
        raise InvalidSchedule(f"end of range ({end}) above maximum ({bounds.most}): {text}")
    if start > end:
        raise InvalidSchedule(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise InvalidSchedule(f"step of range should be a positive number: {text}")
    return range(start, end + 1, step), starred and step == 1


def _number(text: str, names: Mapping[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidSchedule(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if len(digits.lstrip("0")) > _MAX_DIGITS:
        raise InvalidSchedule(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": value out of range')
    return int(digits)


def _duration(text: str) -> timedelta:
    """The time of an `@every` (Go's time.ParseDuration)."""
    given = text[len(_EVERY) :]
    rest = given.lstrip("+-") if given[:1] in ("+", "-") else given
    if rest == "0":
        return timedelta(0)
    seconds, position = 0.0, 0
    problem = f'time: invalid duration "{given}"' if not rest else ""
    while position < len(rest) and not problem:
        match = _DURATION.match(rest, position)
        if match is None:
            problem = f'time: invalid duration "{given}"'
            break
        unit = match["unit"]
        if unit not in _UNITS:
            problem = f'time: unknown unit "{unit}" in duration "{given}"'
            if not unit:
                problem = f'time: missing unit in duration "{given}"'
            break
        seconds += float(match["number"]) * _UNITS[unit]
        position = match.end()
    if not problem and seconds >= 2**63 / 1e9:
        problem = f'time: invalid duration "{given}"'
    if problem:
        raise InvalidSchedule(f"failed to parse duration {text}: {problem}")
    return timedelta(seconds=-seconds if given.startswith("-") else seconds)
