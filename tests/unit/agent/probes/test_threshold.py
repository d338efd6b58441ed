"""Single results become a verdict only when enough come in a row."""

from agent.probes.protocol import Outcome
from agent.probes.threshold import Threshold


def verdicts(threshold: Threshold, *outcomes: Outcome) -> list[bool | None]:
    found = []
    for outcome in outcomes:
        threshold.take(outcome)
        found.append(threshold.verdict)
    return found


def test_failures_count_only_in_a_row() -> None:
    probe = Threshold(1, 3)
    shown = verdicts(probe, "success", "failure", "failure", "success", "failure", "failure", "failure")
    assert shown == [True, True, True, True, True, True, False]


def test_successes_count_in_a_row_too_and_a_change_is_told_once() -> None:
    probe = Threshold(2, 1, verdict=False)
    assert [probe.take(one) for one in ("success", "success", "success", "failure")] == [False, True, False, True]


def test_what_could_not_be_asked_counts_neither_way() -> None:
    probe = Threshold(1, 2, verdict=True)
    assert verdicts(probe, "failure", "unknown", "failure") == [True, True, False]
