"""A Deployment's status: its counts and its conditions Available, Progressing and ReplicaFailure.

`kubectl rollout status` waits on these. Pure; called by the Deployment controller.
Source: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec
from lightkube.models.apps_v1 import DeploymentCondition, DeploymentStatus
from lightkube.resources.apps_v1 import Deployment, ReplicaSet

from master.controllers.objects.metadata import meta, name_of, uid_of

NEW_REPLICA_SET_AVAILABLE = "NewReplicaSetAvailable"
PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
RESUMED = "DeploymentResumed"

_NO_DEADLINE = 2**31 - 1


def replicas_of(deployment: Deployment) -> int:
    replicas = deployment.spec.replicas if deployment.spec else None
    return 1 if replicas is None else replicas


def wanted_by(replica_set: ReplicaSet) -> int:
    """The ReplicaSet's spec.replicas."""
    replicas = replica_set.spec.replicas if replica_set.spec else None
    return 1 if replicas is None else replicas


def status_of(deployment: Deployment) -> DeploymentStatus:
    return deployment.status or DeploymentStatus()


def progress_deadline(deployment: Deployment) -> timedelta | None:
    """How long a rollout may make no progress; None for no limit."""
    seconds = deployment.spec.progressDeadlineSeconds if deployment.spec else None
    return None if seconds is None or seconds == _NO_DEADLINE else timedelta(seconds=seconds)


def condition_of(status: DeploymentStatus, type_: str) -> DeploymentCondition | None:
    for condition in status.conditions or ():
        if condition.type == type_:
            return condition
    return None


def new_condition(type_: str, status: str, reason: str, message: str, *, now: datetime) -> DeploymentCondition:
    return DeploymentCondition(
        type=type_, status=status, reason=reason, message=message, lastUpdateTime=now, lastTransitionTime=now
    )


def with_condition(status: DeploymentStatus, condition: DeploymentCondition) -> DeploymentStatus:
    """The status with the condition set; unchanged when one with the same status and reason is there."""
    current = condition_of(status, condition.type or "")
    if current is not None:
        if current.status == condition.status and current.reason == condition.reason:
            return status
        if current.status == condition.status:
            condition = msgspec.structs.replace(condition, lastTransitionTime=current.lastTransitionTime)
    others = [each for each in status.conditions or () if each.type != condition.type]
    return msgspec.structs.replace(status, conditions=[*others, condition])


def without_condition(status: DeploymentStatus, type_: str) -> DeploymentStatus:
    if condition_of(status, type_) is None:
        return status
    others = [each for each in status.conditions or () if each.type != type_]
    return msgspec.structs.replace(status, conditions=others or None)


def is_complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    """Every pod is of the new ReplicaSet and available, and the present spec was seen."""
    replicas = replicas_of(deployment)
    return (
        (status.updatedReplicas or 0) == replicas
        and (status.replicas or 0) == replicas
        and (status.availableReplicas or 0) == replicas
        and (status.observedGeneration or 0) >= (meta(deployment).generation or 0)
    )


def counted_status(
    deployment: Deployment, all_sets: Sequence[ReplicaSet], new: ReplicaSet | None, *, min_available: int, now: datetime
) -> DeploymentStatus:
    """The status as the ReplicaSets report it, with the condition Available."""
    statuses = [each.status for each in all_sets if each.status]
    available = sum(each.availableReplicas or 0 for each in statuses)
    wanted = sum(map(wanted_by, all_sets))
    former = status_of(deployment)
    status = DeploymentStatus(
        observedGeneration=meta(deployment).generation,
        replicas=sum(each.replicas or 0 for each in statuses) or None,
        updatedReplicas=((new.status.replicas or 0) if new and new.status else 0) or None,
        readyReplicas=sum(each.readyReplicas or 0 for each in statuses) or None,
        availableReplicas=available or None,
        unavailableReplicas=max(0, wanted - available) or None,
        collisionCount=former.collisionCount,
        conditions=former.conditions,
    )
    if available >= min_available:
        words = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        words = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    return with_condition(status, new_condition("Available", *words, now=now))


def with_progress(
    deployment: Deployment, status: DeploymentStatus, new: ReplicaSet | None, *, now: datetime
) -> DeploymentStatus:
    """The status with the condition Progressing brought up to date."""
    deadline = progress_deadline(deployment)
    if deadline is None:
        return without_condition(status, "Progressing")
    former = status_of(deployment)
    current = condition_of(former, "Progressing")
    settled = (
        (status.replicas or 0) == (status.updatedReplicas or 0)
        and current is not None
        and current.reason == NEW_REPLICA_SET_AVAILABLE
    )
    if settled:
        return status
    subject = f'ReplicaSet "{name_of(new)}"' if new else f'Deployment "{name_of(deployment)}"'
    if is_complete(deployment, status):
        message = f"{subject} has successfully progressed."
        return with_condition(status, new_condition("Progressing", "True", NEW_REPLICA_SET_AVAILABLE, message, now=now))
    if _progressed(former, status):
        condition = new_condition("Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.", now=now)
        if current is not None and current.status == "True":
            condition = msgspec.structs.replace(condition, lastTransitionTime=current.lastTransitionTime)
        return with_condition(without_condition(status, "Progressing"), condition)
    if _timed_out(current, deadline, now):
        message = f"{subject} has timed out progressing."
        return with_condition(status, new_condition("Progressing", "False", PROGRESS_DEADLINE_EXCEEDED, message, now=now))
    return status


def deadline_in(deployment: Deployment, status: DeploymentStatus, *, now: datetime) -> float | None:
    """Seconds until the progress deadline must be looked at; None when nothing is under way."""
    deadline = progress_deadline(deployment)
    current = condition_of(status, "Progressing")
    if deadline is None or current is None or current.lastUpdateTime is None:
        return None
    if is_complete(deployment, status) or current.reason == PROGRESS_DEADLINE_EXCEEDED:
        return None
    return max(0.0, (current.lastUpdateTime + deadline - now).total_seconds()) + 1.0


def replica_failure(all_sets: Iterable[ReplicaSet], new: ReplicaSet | None) -> DeploymentCondition | None:
    """The ReplicaSets' condition ReplicaFailure as the Deployment's own; the newest one's comes first."""
    ordered = sorted(all_sets, key=lambda each: new is None or uid_of(each) != uid_of(new))
    for each in ordered:
        for condition in (each.status.conditions if each.status else None) or ():
            if condition.type == "ReplicaFailure":
                return DeploymentCondition(
                    type="ReplicaFailure",
                    status=condition.status,
                    reason=condition.reason,
                    message=condition.message,
                    lastUpdateTime=condition.lastTransitionTime,
                    lastTransitionTime=condition.lastTransitionTime,
                )
    return None


def _progressed(former: DeploymentStatus, status: DeploymentStatus) -> bool:
    def old(each: DeploymentStatus) -> int:
        return (each.replicas or 0) - (each.updatedReplicas or 0)

    return (
        (status.updatedReplicas or 0) > (former.updatedReplicas or 0)
        or old(status) < old(former)
        or (status.readyReplicas or 0) > (former.readyReplicas or 0)
        or (status.availableReplicas or 0) > (former.availableReplicas or 0)
    )


def _timed_out(current: DeploymentCondition | None, deadline: timedelta, now: datetime) -> bool:
    if current is None or current.reason == NEW_REPLICA_SET_AVAILABLE:
        return False
    if current.reason == PROGRESS_DEADLINE_EXCEEDED:
        return True
    return current.lastUpdateTime is not None and current.lastUpdateTime + deadline < now
