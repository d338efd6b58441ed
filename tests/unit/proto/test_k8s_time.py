"""Times in Kubernetes' text form."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from proto.k8s.time import format_micro_time, format_time

moments = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1), timezones=st.just(UTC))


@given(moments)
def test_a_micro_time_reads_back_as_the_same_moment(moment: datetime) -> None:
    assert datetime.fromisoformat(format_micro_time(moment)) == moment


@given(moments)
def test_a_time_loses_its_fraction_and_nothing_else(moment: datetime) -> None:
    assert datetime.fromisoformat(format_time(moment)) == moment.replace(microsecond=0)


def test_another_zone_is_told_in_utc() -> None:
    there = datetime(2025, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert format_time(there) == "2024-12-31T23:30:00Z"
