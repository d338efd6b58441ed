"""The arithmetic of rollouts: rounding, bounds in every order of events, proportional scaling."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.controllers.rollout.rolling_update import (
    Bounds,
    ReplicaCounts,
    new_replicas,
    old_replicas,
    proportional_sizes,
    rolling_bounds,
    scaled_value,
)

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def counts(name: str, wanted: int, available: int | None = None, *, age: int = 0, max_replicas: int = 0) -> ReplicaCounts:
    return ReplicaCounts(
        name=name,
        wanted=wanted,
        available=wanted if available is None else available,
        created=T0 - timedelta(minutes=age),
        max_replicas=max_replicas,
    )


@pytest.mark.parametrize(
    ("value", "total", "up", "down"),
    [("25%", 4, 1, 1), ("25%", 3, 1, 0), ("25%", 10, 3, 2), ("100%", 7, 7, 7), ("0%", 9, 0, 0), (2, 9, 2, 2), (None, 9, 0, 0)],
)
def test_percentages_round_up_for_surge_and_down_for_unavailable(
    value: int | str | None, total: int, up: int, down: int
) -> None:
    assert scaled_value(value, total, round_up=True) == up
    assert scaled_value(value, total, round_up=False) == down


def test_text_that_is_no_percentage_is_refused() -> None:
    with pytest.raises(ValueError):
        scaled_value("two", 4, round_up=True)


def test_one_pod_may_be_unavailable_when_both_bounds_come_to_nothing() -> None:
    assert rolling_bounds(3, "0%", "10%") == Bounds(3, 0, 1)
    assert rolling_bounds(0, 0, 0) == Bounds(0, 0, 0)


def test_no_more_than_all_pods_may_be_unavailable() -> None:
    assert rolling_bounds(2, 1, 5) == Bounds(2, 1, 2)


def test_unhealthy_old_pods_go_before_healthy_ones_of_an_older_replica_set() -> None:
    bounds = Bounds(4, 1, 1)
    oldest, broken = counts("oldest", 2, age=9), counts("broken", 2, 0, age=5)
    assert old_replicas(bounds, [oldest, broken], counts("new", 1, 1)) == {"broken": 0}


def test_old_pods_stay_while_new_ones_are_not_available() -> None:
    assert old_replicas(Bounds(4, 1, 0), [counts("old", 4)], counts("new", 1, 0)) == {}


def test_pods_that_the_new_replica_set_still_starts_hold_back_even_the_unhealthy_old_ones() -> None:
    assert old_replicas(Bounds(4, 1, 1), [counts("old", 4, 2)], counts("new", 1, 0)) == {"old": 3}
    assert old_replicas(Bounds(4, 1, 1), [counts("old", 4, 2)], counts("new", 1, 1)) == {"old": 2}


def test_a_scaled_rollout_shares_the_difference_in_proportion() -> None:
    # The example of Kubernetes' documentation: 10 replicas with 3 surge at 8 + 5, scaled to 15.
    bounds = rolling_bounds(15, 3, 2)
    active = [counts("old", 8, age=9, max_replicas=13), counts("new", 5, max_replicas=13)]
    assert proportional_sizes(bounds, active, 13) == {"old": 11, "new": 7}


@given(
    replicas=st.integers(0, 60),
    surge=st.integers(0, 10),
    unavailable=st.integers(0, 10),
    sizes=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 80)), min_size=1, max_size=5),
)
def test_proportional_sizes_come_to_what_is_allowed(
    replicas: int, surge: int, unavailable: int, sizes: list[tuple[int, int]]
) -> None:
    bounds = rolling_bounds(replicas, surge, unavailable)
    active = [counts(f"rs{i}", wanted, age=i, max_replicas=before) for i, (wanted, before) in enumerate(sizes)]
    result = proportional_sizes(bounds, active, sum(wanted for wanted, _ in sizes))
    assert all(size >= 0 for size in result.values())
    assert sum(result.values()) == (bounds.max_total if replicas else 0)


@st.composite
def _percent_or_number(draw: st.DrawFn) -> int | str:
    return draw(st.one_of(st.integers(0, 12), st.integers(0, 100).map(lambda n: f"{n}%")))


@given(
    replicas=st.integers(1, 25),
    surge=_percent_or_number(),
    unavailable=_percent_or_number(),
    old_sets=st.integers(1, 3),
    data=st.data(),
)
def test_a_rollout_never_leaves_its_bounds_and_always_ends(
    replicas: int, surge: int | str, unavailable: int | str, old_sets: int, data: st.DataObject
) -> None:
    """Pods become available in any order and at any speed; the controller acts whenever it likes."""
    bounds = rolling_bounds(replicas, surge, unavailable)
    share, rest = divmod(replicas, old_sets)
    sets = {f"old{i}": counts(f"old{i}", share + (rest if i == 0 else 0), age=9 - i) for i in range(old_sets)}
    sets["new"] = counts("new", 0)
    for step in range(40 * replicas):
        new = sets["new"]
        total = sum(each.wanted for each in sets.values())
        size = new_replicas(bounds, total, new.wanted)
        assert size >= new.wanted
        if size != new.wanted:
            sets["new"] = replace(new, wanted=size)
        else:
            olds = [each for name, each in sets.items() if name != "new"]
            for name, smaller in old_replicas(bounds, olds, new).items():
                assert 0 <= smaller < sets[name].wanted
                # A ReplicaSet gives up pods that are not available first.
                sets[name] = replace(sets[name], wanted=smaller, available=min(sets[name].available, smaller))
        assert sum(each.wanted for each in sets.values()) <= bounds.max_total
        assert sum(each.available for each in sets.values()) >= bounds.min_available
        pending = sets["new"].wanted - sets["new"].available
        started = pending if step % 5 == 4 else data.draw(st.integers(0, pending))
        sets["new"] = replace(sets["new"], available=sets["new"].available + started)
        if sets["new"].available == replicas and all(each.wanted == 0 for name, each in sets.items() if name != "new"):
            return
    raise AssertionError("the rollout never ended")
