"""Schedules in the language of CronJobs."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.k8s.cron import Every, InvalidSchedule, Schedule, parse_schedule


def parsed(text: str) -> Schedule:
    schedule = parse_schedule(text)
    assert isinstance(schedule, Schedule)
    return schedule


def test_fields_list_ranges_steps_and_names() -> None:
    schedule = parsed("*/20 1-3,22 ? jan-mar/2 mon,WED")
    assert schedule.minutes == {0, 20, 40}
    assert schedule.hours == {1, 2, 3, 22}
    assert (schedule.any_day, len(schedule.days)) == (True, 31)
    assert schedule.months == {1, 3}
    assert schedule.weekdays == {1, 3}
    assert not schedule.any_weekday


def test_a_number_with_a_step_goes_to_the_end() -> None:
    assert parsed("50/5 * * * *").minutes == {50, 55}
    assert not parsed("* * */2 * *").any_day


def test_descriptors_and_zones() -> None:
    assert parse_schedule("@midnight") == parse_schedule("0 0 * * *")
    assert parse_schedule("TZ=Asia/Tokyo @hourly") == parse_schedule("0 * * * *")
    assert parse_schedule("@every 1h30m") == Every(timedelta(minutes=90))
    assert parse_schedule("@every 1ms") == Every(timedelta(seconds=1))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("a * * * *", 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'),
        ("@never", "unrecognized descriptor: @never"),
        ("@every 5", 'failed to parse duration @every 5: time: missing unit in duration "5"'),
        ("@every 5x", 'failed to parse duration @every 5x: time: unknown unit "x" in duration "5x"'),
        ("@every x", 'failed to parse duration @every x: time: invalid duration "x"'),
    ],
)
def test_errors_are_the_parser_s(text: str, error: str) -> None:
    with pytest.raises(InvalidSchedule) as raised:
        parse_schedule(text)
    assert str(raised.value) == error


@given(st.text(alphabet="@every*/?-,0123456789 hmsTZ=.+µ", max_size=30))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        parse_schedule(text)
    except InvalidSchedule:
        pass
