"""What a PodDisruptionBudget says of an eviction."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from master.api.registry.disruption_budget import (
    budgets_of,
    may_become_healthy,
    needs_no_budget,
    several_budgets,
    spares_nothing,
    spent,
    still_processing,
)
from master.client.errors import StatusError

Json = dict[str, Any]

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
READY = [{"type": "Ready", "status": "True"}]
REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


def pod(phase: str = "Running", *, ready: bool = True, deleted: bool = False, **labels: str) -> Json:
    metadata: Json = {"name": "p", "namespace": "default", "labels": labels}
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": metadata, "status": {"phase": phase, "conditions": READY if ready else []}}


def budget(name: str = "b", selector: Json | None = None, policy: str = "", **status: Any) -> Json:
    spec: Json = {"unhealthyPodEvictionPolicy": policy} if policy else {}
    if selector is not None:
        spec["selector"] = selector
    return {"metadata": {"name": name, "generation": 1}, "spec": spec, "status": {"observedGeneration": 1, **status}}


@pytest.mark.parametrize(
    ("obj", "free", "later"),
    [
        (pod(), False, True),
        (pod("Pending"), True, True),
        (pod("Failed"), True, False),
        (pod("Succeeded"), True, False),
        (pod(deleted=True), True, False),
    ],
)
def test_a_pod_that_serves_nobody_needs_no_budget(obj: Json, free: bool, later: bool) -> None:
    assert (needs_no_budget(obj), may_become_healthy(obj)) == (free, later)


def test_a_budget_without_a_selector_selects_nothing_and_an_empty_one_all() -> None:
    everything, other, none = budget("all", {}), budget("other", {"matchLabels": {"app": "y"}}), budget("none")
    mine = budget("mine", {"matchLabels": {"app": "x"}})
    assert budgets_of(pod(app="x"), [everything, other, none, mine]) == [everything, mine]


@pytest.mark.parametrize(
    ("ready", "policy", "status", "spares"),
    [
        (True, "AlwaysAllow", {"currentHealthy": 2, "desiredHealthy": 1}, False),
        (False, "AlwaysAllow", {}, True),
        (False, "", {"currentHealthy": 1, "desiredHealthy": 1}, True),
        (False, "IfHealthyBudget", {"currentHealthy": 0, "desiredHealthy": 1}, False),
        (False, "", {"currentHealthy": 0, "desiredHealthy": 0}, False),
    ],
)
def test_a_pod_that_is_not_ready_may_go_for_nothing(ready: bool, policy: str, status: Json, spares: bool) -> None:
    assert spares_nothing(budget(policy=policy, **status), pod(ready=ready)) is spares


def test_an_eviction_is_booked() -> None:
    before = budget(disruptionsAllowed=2, disruptedPods={"q": "2026-01-01T00:00:00Z"})
    kept = deepcopy(before)
    after = spent(before, "p", NOW)
    assert before == kept
    assert after["status"]["disruptionsAllowed"] == 1
    assert after["status"]["disruptedPods"] == {"q": "2026-01-01T00:00:00Z", "p": "2026-01-02T03:04:05Z"}
    assert "conditions" not in after["status"]


def test_the_last_disruption_is_said_in_a_condition() -> None:
    condition = {"type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods"}
    after = spent(budget(disruptionsAllowed=1, conditions=[condition]), "p", NOW)
    assert after["status"]["conditions"] == [
        {
            "type": "DisruptionAllowed",
            "status": "False",
            "reason": "InsufficientPods",
            "message": "",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        }
    ]


def refusal(obj: Json) -> StatusError:
    with pytest.raises(StatusError) as raised:
        spent(obj, "p", NOW)
    return raised.value


def test_a_budget_that_is_used_up_refuses_in_kubernetes_words() -> None:
    error = refusal(budget(disruptionsAllowed=0, desiredHealthy=2, currentHealthy=2))
    assert (error.code, error.reason, error.message) == (429, "TooManyRequests", REFUSED)
    message = "The disruption budget b needs 2 healthy pods and has 2 currently"
    assert error.details == {"causes": [{"reason": "DisruptionBudget", "message": message}]}


def test_a_budget_that_was_changed_is_counted_first() -> None:
    obj = budget(disruptionsAllowed=5)
    obj["metadata"]["generation"] = 2
    error = refusal(obj)
    assert error.details == still_processing("b").details
    assert error.details is not None
    assert error.details["retryAfterSeconds"] == 10


def test_a_budget_out_of_order_is_not_spent() -> None:
    assert refusal(budget(disruptionsAllowed=-1)).code == 403
    many = {f"p{number}": "2026-01-01T00:00:00Z" for number in range(2001)}
    assert refusal(budget(disruptionsAllowed=1, disruptedPods=many)).code == 403


def test_two_budgets_are_kubernetes_own_error() -> None:
    error = several_budgets()
    assert (error.code, error.message) == (
        500,
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
    )
