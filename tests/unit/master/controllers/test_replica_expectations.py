"""Expectations and slow start."""

import pytest

from master.client.errors import StatusError, forbidden
from master.controllers.replicas.expectations import TIMEOUT, Expectations
from master.controllers.replicas.slow_start import slow_start

KEY = ("default", "web")


def test_creations_hold_everything_up_until_all_are_seen() -> None:
    expected = Expectations()
    expected.expect_creations(KEY, 2, now=0)
    expected.created(KEY)
    assert not expected.satisfied(KEY, now=1)
    expected.created(KEY)
    assert expected.satisfied(KEY, now=1)


def test_a_deletion_is_told_by_uid_so_that_seeing_it_twice_counts_once() -> None:
    expected = Expectations()
    expected.expect_deletions(KEY, ["a", "b"], now=0)
    expected.deleted(KEY, "a")
    expected.deleted(KEY, "a")
    assert not expected.satisfied(KEY, now=1)
    expected.deleted(KEY, "b")
    assert expected.satisfied(KEY, now=1)


def test_an_expectation_that_is_never_met_expires() -> None:
    expected = Expectations()
    expected.expect_creations(KEY, 1, now=0)
    assert not expected.satisfied(KEY, now=TIMEOUT)
    assert expected.satisfied(KEY, now=TIMEOUT + 1)


def test_one_keys_expectations_do_not_concern_another() -> None:
    expected = Expectations()
    expected.expect_creations(KEY, 1, now=0)
    assert expected.satisfied(("default", "other"), now=0)
    expected.forget(KEY)
    assert expected.satisfied(KEY, now=0)


@pytest.mark.parametrize(("count", "made"), [(0, 0), (1, 1), (2, 2), (10, 10)])
async def test_slow_start_makes_every_call_when_all_succeed(count: int, made: int) -> None:
    calls: list[int] = []

    async def call() -> None:
        calls.append(1)

    assert await slow_start(count, call) == (made, None)
    assert len(calls) == made


@pytest.mark.parametrize(("good", "attempted"), [(0, 1), (1, 3), (2, 3), (3, 7), (8, 10)])
async def test_slow_start_stops_after_the_first_batch_with_an_error(good: int, attempted: int) -> None:
    calls: list[int] = []

    async def call() -> None:
        calls.append(1)
        if len(calls) > good:
            raise forbidden("pods", "", "", "exceeded quota")

    made, error = await slow_start(10, call)
    assert (made, len(calls)) == (attempted, attempted)
    assert isinstance(error, StatusError)
