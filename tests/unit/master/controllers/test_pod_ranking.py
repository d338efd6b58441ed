"""Which pods go first: each rule beats all that come after it."""

from datetime import UTC, datetime, timedelta

import pytest
from lightkube.models.core_v1 import ContainerStatus, PodCondition, PodSpec, PodStatus
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Pod

from master.controllers.replicas.ranking import DELETION_COST, pods_to_delete

NOW = datetime(2026, 1, 10, tzinfo=UTC)


def pod(
    name: str,
    *,
    node: str = "n1",
    phase: str = "Running",
    ready: bool = True,
    ready_for: float = 3600,
    cost: str | None = None,
    restarts: int = 0,
    age: float = 3600,
) -> Pod:
    return Pod(
        metadata=ObjectMeta(
            name=name,
            uid=name,
            annotations={DELETION_COST: cost} if cost else None,
            creationTimestamp=NOW - timedelta(seconds=age),
        ),
        spec=PodSpec(containers=[], nodeName=node or None),
        status=PodStatus(
            phase=phase,
            conditions=[
                PodCondition(
                    type="Ready", status="True" if ready else "False", lastTransitionTime=NOW - timedelta(seconds=ready_for)
                )
            ],
            containerStatuses=[ContainerStatus(name="c", image="", imageID="", ready=ready, restartCount=restarts)],
        ),
    )


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (pod("z", node="", phase="Pending", ready=False, cost="9"), pod("a", phase="Pending", ready=False)),
        (pod("z", phase="Pending", ready=False, cost="9"), pod("a", phase="Unknown", ready=False)),
        (pod("z", phase="Unknown", ready=False, cost="9"), pod("a", ready=False)),
        (pod("z", ready=False, cost="9"), pod("a")),
        (pod("z", cost="-1", ready_for=9000), pod("a")),
        (pod("z", ready_for=60), pod("a", ready_for=36000, restarts=5)),
        (pod("z", restarts=3), pod("a", age=60)),
        (pod("z", age=60), pod("a", age=36000)),
        (pod("a"), pod("z")),
    ],
    ids=["unassigned", "pending", "unknown", "not-ready", "cost", "ready-later", "restarts", "newer", "uid"],
)
def test_the_less_valuable_pod_goes_first(first: Pod, other: Pod) -> None:
    for pods in ([first, other], [other, first]):
        assert pods_to_delete(pods, pods, 1, now=NOW) == [first]


def test_a_pod_that_shares_its_node_with_a_sibling_goes_first() -> None:
    alone, doubled = pod("a", node="n1", ready_for=60), pod("b", node="n2")
    sibling = pod("of-another-set", node="n2")
    assert pods_to_delete([alone, doubled], [alone, doubled, sibling], 1, now=NOW) == [doubled]


def test_pods_of_about_one_age_are_told_apart_by_uid_not_by_age() -> None:
    older, newer = pod("a", ready_for=3700, age=3700), pod("b", ready_for=3600, age=3600)
    assert pods_to_delete([older, newer], [], 1, now=NOW) == [older]


@pytest.mark.parametrize("cost", ["much", "99999999999", ""])
def test_a_cost_that_is_no_number_counts_as_none(cost: str) -> None:
    cheap = pod("z", cost="-1")
    assert pods_to_delete([pod("a", cost=cost), cheap], [], 1, now=NOW) == [cheap]
