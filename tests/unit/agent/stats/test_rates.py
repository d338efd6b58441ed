"""A rate is of now: over a window that is neither too short nor long ago."""

from agent.stats.rates import LONGEST, Rates

SECOND = 1_000_000_000


def test_two_readings_make_a_rate() -> None:
    rates = Rates()
    assert rates.take("a", time=1000.0, cpu=5 * SECOND) is None
    rate = rates.take("a", time=1010.0, cpu=10 * SECOND)
    assert rate is not None
    assert (rate.nanocores, rate.window, rate.time) == (SECOND // 2, 10.0, 1010.0)


def test_what_began_lately_needs_one_reading() -> None:
    rate = Rates().take("a", time=1010.0, cpu=20 * SECOND, began=1000.0)
    assert rate is not None
    assert rate.nanocores == 2 * SECOND


def test_an_old_reading_says_nothing_of_now() -> None:
    rates = Rates()
    rates.take("a", time=1000.0, cpu=0)
    later = 1001.0 + LONGEST
    assert rates.take("a", time=later, cpu=60 * SECOND) is None
    rate = rates.take("a", time=later + 1, cpu=61 * SECOND)
    assert rate is not None
    assert rate.nanocores == SECOND


def test_the_next_to_ask_is_told_the_same_rather_than_one_of_a_moment() -> None:
    rates = Rates()
    rates.take("a", time=1000.0, cpu=0)
    first = rates.take("a", time=1010.0, cpu=SECOND)
    assert rates.take("a", time=1010.2, cpu=2 * SECOND) is first
    after = rates.take("a", time=1020.0, cpu=2 * SECOND)
    assert after is not None
    assert (after.window, after.nanocores) == (10.0, SECOND // 10)


def test_counters_and_clocks_that_go_back_begin_anew() -> None:
    rates = Rates()
    rates.take("a", time=1000.0, cpu=9 * SECOND)
    assert rates.take("a", time=1010.0, cpu=1 * SECOND) is None
    assert rates.take("a", time=500.0, cpu=2 * SECOND) is None
    rate = rates.take("a", time=510.0, cpu=3 * SECOND)
    assert rate is not None
    assert rate.nanocores == SECOND // 10


def test_what_is_gone_is_forgotten() -> None:
    rates = Rates()
    rates.take("a", time=1000.0, cpu=0)
    rates.keep({"b"})
    assert rates.take("a", time=1010.0, cpu=SECOND) is None
