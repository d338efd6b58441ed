"""What a PodDisruptionBudget's status says."""

from datetime import UTC, datetime, timedelta

import pytest
from lightkube.models.core_v1 import PodCondition, PodStatus
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.models.policy_v1 import PodDisruptionBudgetSpec as Spec
from lightkube.resources.core_v1 import Pod

from master.controllers.budgets.counts import DELETION_TIMEOUT, counted, evicted, failed_status, needs_scale, status_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


def pod(name: str, *, ready: bool = True, going: bool = False) -> Pod:
    condition = PodCondition(type="Ready", status="True" if ready else "False")
    metadata = ObjectMeta(name=name, namespace="default", deletionTimestamp=NOW if going else None)
    return Pod(metadata=metadata, status=PodStatus(conditions=[condition]))


PODS = [pod("a"), pod("b"), pod("c", ready=False), pod("d", going=True)]


@pytest.mark.parametrize(
    ("spec", "expected", "counts"),
    [
        (Spec(minAvailable=1), 0, (2, 1, 4)),
        (Spec(minAvailable="50%"), 5, (2, 3, 5)),
        (Spec(maxUnavailable=1), 4, (2, 3, 4)),
        (Spec(maxUnavailable="30%"), 10, (2, 7, 10)),
        (Spec(maxUnavailable=9), 4, (2, 0, 4)),
        (Spec(), 0, (2, 0, 4)),
    ],
)
def test_what_is_healthy_and_what_must_be(spec: Spec, expected: int, counts: tuple[int, int, int]) -> None:
    assert counted(spec, PODS, {}, expected) == counts


def test_only_shares_and_what_may_be_missing_need_the_workloads_size() -> None:
    assert not needs_scale(Spec(minAvailable=1))
    assert needs_scale(Spec(minAvailable="1%"))
    assert needs_scale(Spec(maxUnavailable=1))


def test_an_evicted_pod_counts_as_gone_until_it_goes_or_takes_too_long() -> None:
    long_ago = NOW - DELETION_TIMEOUT
    gone = evicted({"a": NOW, "b": long_ago, "d": NOW, "missing": NOW}, PODS, LATER)
    assert (dict(gone.waiting), gone.late) == ({"a": NOW}, ("b",))
    assert gone.look_again == NOW + DELETION_TIMEOUT
    assert counted(Spec(minAvailable=1), PODS, gone.waiting, 0)[0] == 1


def test_what_is_left_over_may_go() -> None:
    first = status_of(None, (3, 1, 3), {}, generation=2, now=NOW)
    assert (first.disruptionsAllowed, first.observedGeneration) == (2, 2)
    assert first.conditions is not None
    assert (first.conditions[0].status, first.conditions[0].reason) == ("True", "SufficientPods")
    second = status_of(first, (2, 1, 3), {"a": NOW}, generation=2, now=LATER)
    assert second.conditions is not None
    assert second.conditions[0].lastTransitionTime == NOW
    third = status_of(second, (1, 1, 3), {}, generation=2, now=LATER)
    assert third.disruptionsAllowed == 0
    assert third.conditions is not None
    assert (third.conditions[0].status, third.conditions[0].lastTransitionTime) == ("False", LATER)
    assert status_of(None, (3, 0, 0), {}, generation=1, now=NOW).disruptionsAllowed == 0


def test_what_cannot_be_counted_allows_nothing() -> None:
    before = status_of(None, (3, 1, 3), {}, generation=1, now=NOW)
    after = failed_status(before, "no scale", generation=2, now=LATER)
    assert (after.disruptionsAllowed, after.currentHealthy, after.observedGeneration) == (0, 3, 2)
    assert after.conditions is not None
    assert (after.conditions[0].reason, after.conditions[0].message) == ("SyncFailed", "no scale")
    assert before.disruptionsAllowed == 2
