"""When an Event was seen last."""

from datetime import UTC, datetime, timedelta

import pytest

from master.api.registry.event_expiry import last_seen

_NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
_TTL = timedelta(hours=1)
_CREATED = _NOW - timedelta(hours=3)


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([], timedelta(hours=3)),
        ([timedelta(hours=2), timedelta(minutes=5)], timedelta(minutes=5)),
        ([timedelta(days=9)], timedelta(hours=3)),
        ([-timedelta(seconds=30)], timedelta()),
        ([-timedelta(days=9999)], timedelta(hours=3)),
    ],
    ids=["created", "seen again", "older than its creation", "a clock ahead", "the far future"],
)
def test_an_event_lives_from_its_newest_believable_time(stamps: list[timedelta], expected: timedelta) -> None:
    seen = last_seen([_NOW - ago for ago in stamps], created=_CREATED, now=_NOW, ttl=_TTL)
    assert _NOW - seen == expected
