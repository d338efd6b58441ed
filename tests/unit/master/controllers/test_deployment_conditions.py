"""A Deployment's conditions, in Kubernetes' words and at Kubernetes' times."""

from datetime import UTC, datetime, timedelta

from lightkube.models.apps_v1 import DeploymentSpec, DeploymentStatus, ReplicaSetCondition, ReplicaSetSpec, ReplicaSetStatus
from lightkube.models.core_v1 import PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apps_v1 import Deployment, ReplicaSet

from master.controllers.rollout import conditions

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def deployment(status: DeploymentStatus | None = None, *, replicas: int = 2, deadline: int | None = 600) -> Deployment:
    return Deployment(
        metadata=ObjectMeta(name="web", generation=3),
        spec=DeploymentSpec(
            selector=LabelSelector(), template=PodTemplateSpec(), replicas=replicas, progressDeadlineSeconds=deadline
        ),
        status=status,
    )


def replica_set(name: str, pods: int, available: int, *failures: str) -> ReplicaSet:
    return ReplicaSet(
        metadata=ObjectMeta(name=name, uid=name),
        spec=ReplicaSetSpec(selector=LabelSelector(), replicas=2),
        status=ReplicaSetStatus(
            replicas=pods,
            readyReplicas=available,
            availableReplicas=available,
            conditions=[
                ReplicaSetCondition(type="ReplicaFailure", status="True", reason=reason, message=reason) for reason in failures
            ],
        ),
    )


def progressing(reason: str, at: datetime = T0, *, status: str = "True") -> DeploymentStatus:
    condition = conditions.new_condition("Progressing", status, reason, "", now=at)
    return DeploymentStatus(conditions=[condition])


def progress(of: Deployment, new: ReplicaSet, now: datetime) -> tuple[str | None, str | None, str | None]:
    status = conditions.counted_status(of, [new], new, min_available=2, now=now)
    condition = conditions.condition_of(conditions.with_progress(of, status, new, now=now), "Progressing")
    return (condition.status, condition.reason, condition.message) if condition else (None, None, None)


def test_a_complete_rollout_says_that_its_replica_set_is_available() -> None:
    found = progress(deployment(progressing("ReplicaSetUpdated")), replica_set("web-1", 2, 2), T0)
    assert found == ("True", "NewReplicaSetAvailable", 'ReplicaSet "web-1" has successfully progressed.')


def test_a_rollout_that_moves_is_progressing() -> None:
    found = progress(deployment(progressing("NewReplicaSetCreated")), replica_set("web-1", 2, 1), T0)
    assert found == ("True", "ReplicaSetUpdated", 'ReplicaSet "web-1" is progressing.')


def test_a_rollout_that_stands_still_times_out_after_its_deadline_only() -> None:
    stuck = progressing("ReplicaSetUpdated")
    stuck = DeploymentStatus(conditions=stuck.conditions, updatedReplicas=2, replicas=2, readyReplicas=1, availableReplicas=1)
    new = replica_set("web-1", 2, 1)
    assert progress(deployment(stuck), new, T0 + timedelta(seconds=600))[1] == "ReplicaSetUpdated"
    assert progress(deployment(stuck), new, T0 + timedelta(seconds=601)) == (
        "False",
        "ProgressDeadlineExceeded",
        'ReplicaSet "web-1" has timed out progressing.',
    )
    assert conditions.deadline_in(deployment(stuck), stuck, now=T0 + timedelta(seconds=590)) == 11.0


def test_without_a_deadline_there_is_no_such_condition() -> None:
    for deadline in (None, 2**31 - 1):
        assert progress(deployment(progressing("x"), deadline=deadline), replica_set("web-1", 2, 1), T0) == (None, None, None)


def test_a_finished_rollout_does_not_time_out_when_a_pod_fails_later() -> None:
    done = progressing("NewReplicaSetAvailable")
    done = DeploymentStatus(conditions=done.conditions, updatedReplicas=2, replicas=2, readyReplicas=2, availableReplicas=2)
    found = progress(deployment(done), replica_set("web-1", 2, 1), T0 + timedelta(days=1))
    assert found[1] == "NewReplicaSetAvailable"


def test_availability_follows_the_minimum_and_keeps_its_time_of_transition() -> None:
    of = deployment()
    low = conditions.counted_status(of, [replica_set("a", 2, 0)], None, min_available=1, now=T0)
    condition = conditions.condition_of(low, "Available")
    assert condition is not None
    assert (condition.status, condition.reason) == ("False", "MinimumReplicasUnavailable")
    of = deployment(low)
    later = conditions.counted_status(of, [replica_set("a", 2, 0)], None, min_available=1, now=T0 + timedelta(hours=1))
    assert conditions.condition_of(later, "Available") == condition
    assert later.unavailableReplicas == 2


def test_the_newest_replica_sets_failure_is_shown_first() -> None:
    old, new = replica_set("old", 0, 0, "FailedDelete"), replica_set("new", 0, 0, "FailedCreate")
    found = conditions.replica_failure([old, new], new)
    assert found is not None
    assert found.reason == "FailedCreate"
    assert conditions.replica_failure([replica_set("a", 0, 0)], None) is None
