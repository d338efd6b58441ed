"""When thresholds are met, due and resolved, and how long conditions last."""

from agent.kubelet.eviction.pressure import DISK, MEMORY, Observation, Pressure
from agent.settings.eviction import Amount, Threshold, parse_amount, thresholds

MI = 1024 * 1024
HARD = Threshold("memory.available", Amount(100 * MI))
SOFT = Threshold("memory.available", Amount(300 * MI), grace=30.0)


def memory(mebibytes: int) -> dict[str, Observation]:
    return {"memory.available": Observation(mebibytes * MI, 1000 * MI)}


def test_a_hard_threshold_is_due_at_once_and_a_soft_one_after_its_grace() -> None:
    pressure = Pressure([HARD, SOFT], transition=300)
    assert pressure.observe(memory(400), 0) == []
    assert pressure.conditions == frozenset()
    assert pressure.observe(memory(250), 10) == []
    assert pressure.conditions == {MEMORY}
    assert pressure.observe(memory(250), 39) == []
    assert pressure.observe(memory(250), 40) == [SOFT]
    assert set(pressure.observe(memory(50), 41)) == {HARD, SOFT}


def test_a_soft_grace_begins_anew_after_a_relief() -> None:
    pressure = Pressure([SOFT], transition=0)
    pressure.observe(memory(250), 0)
    pressure.observe(memory(400), 20)
    assert pressure.observe(memory(250), 35) == []


def test_a_condition_outlives_its_cause_for_the_transition_period() -> None:
    pressure = Pressure([HARD], transition=300)
    pressure.observe(memory(50), 0)
    pressure.observe(memory(500), 299)
    assert pressure.conditions == {MEMORY}
    pressure.observe(memory(500), 300)
    assert pressure.conditions == frozenset()


def test_a_threshold_stays_due_until_its_minimum_reclaim_is_available_too() -> None:
    threshold = Threshold("nodefs.available", parse_amount("10%"), reclaim=Amount(50))
    pressure = Pressure([threshold], transition=0)
    below, regained, enough = (
        {"nodefs.available": Observation(one, 1000), "imagefs.available": Observation(1, 1000)} for one in (90, 140, 160)
    )
    assert pressure.observe(below, 0) == [threshold]
    assert pressure.conditions == {DISK}
    assert pressure.observe(regained, 1) == [threshold]
    assert not pressure.resolved(regained)
    assert pressure.resolved(enough)
    assert pressure.observe(enough, 2) == []
    assert pressure.observe(regained, 3) == []


def test_memory_is_reclaimed_before_all_else() -> None:
    disk = Threshold("nodefs.available", Amount(100))
    pressure = Pressure([disk, HARD], transition=0)
    assert pressure.observe({"nodefs.available": Observation(1, 1000), **memory(1)}, 0) == [HARD, disk]


def test_what_cannot_be_observed_is_not_short() -> None:
    pressure = Pressure([HARD], transition=0)
    assert pressure.observe({}, 0) == []


def test_percentages_of_nothing_and_of_all_switch_a_threshold_off() -> None:
    assert thresholds({"memory.available": "0%", "nodefs.available": "100%"}, {}, {}, {}) == ()
