"""How many watches and streams a user may have open: half of what there is, and always a place for the next one."""

from contextlib import ExitStack

from master.api.auth.protocol import MASTERS, UserInfo
from master.api.flowcontrol.long_running import LongRunning
from master.client.errors import StatusError


def opened(places: LongRunning, stack: ExitStack, name: str, *groups: str) -> int:
    """Open as many as the user gets."""
    count = 0
    while True:
        try:
            stack.enter_context(places.place(UserInfo(name, groups=groups)))
        except StatusError:
            return count
        count += 1


def test_one_user_gets_half_and_the_next_ones_their_share_of_the_rest() -> None:
    places = LongRunning(100)
    with ExitStack() as stack:
        assert [opened(places, stack, name) for name in ("a", "b", "c", "d")] == [50, 25, 13, 6]


def test_users_that_come_together_get_the_same() -> None:
    places = LongRunning(90)
    counts = {"a": 0, "b": 0}
    with ExitStack() as stack:
        for _ in range(90):
            for name in counts:
                try:
                    stack.enter_context(places.place(UserInfo(name)))
                except StatusError:
                    continue
                counts[name] += 1
    assert counts == {"a": 30, "b": 30}


def test_what_is_closed_is_free_again() -> None:
    places = LongRunning(4)
    for _ in range(3):
        with ExitStack() as stack:
            assert opened(places, stack, "a") == 2
            assert opened(places, stack, "b") == 1


def test_administrators_are_bounded_by_the_whole_alone() -> None:
    places = LongRunning(10)
    with ExitStack() as stack:
        assert opened(places, stack, "a") == 5
        assert opened(places, stack, "admin", MASTERS) == 5
        assert opened(places, stack, "b") == 0
