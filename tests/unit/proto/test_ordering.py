"""Ordering: whatever the wire does to messages, what is kept never goes back and ends at the newest."""

from hypothesis import given
from hypothesis import strategies as st

from proto.ordering import Ordering

ages = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 10)), min_size=1, max_size=40)


@given(ages)
def test_accepted_ages_of_a_key_only_rise_and_end_at_the_highest_that_was_acceptable(sequence: list[tuple[int, int]]) -> None:
    ordering = Ordering()
    accepted = [age for age in sequence if ordering.accept("a", *age)]
    assert accepted == sorted(set(accepted))
    assert accepted[-1] == max(sequence)
    assert ordering.newest("a") == max(sequence)


@given(ages)
def test_is_newer_tells_what_accept_will_do_and_notes_nothing(sequence: list[tuple[int, int]]) -> None:
    ordering = Ordering()
    for age in sequence:
        told = ordering.is_newer("a", *age)
        assert ordering.is_newer("a", *age) is told
        assert ordering.accept("a", *age) is told


@given(ages)
def test_a_stale_leader_is_ignored_for_every_key(sequence: list[tuple[int, int]]) -> None:
    ordering = Ordering()
    newest = 0
    for number, (epoch, revision) in enumerate(sequence):
        assert ordering.accept(number, epoch, revision) is (epoch >= newest)
        newest = max(newest, epoch)


def test_a_forgotten_key_starts_anew() -> None:
    ordering = Ordering()
    ordering.accept("a", 1, 5)
    ordering.forget("a")
    assert len(ordering) == 0
    assert ordering.accept("a", 1, 5)
