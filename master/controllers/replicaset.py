"""The ReplicaSet controller: keeps as many pods as spec.replicas says, adopting and releasing pods by their labels.

It counts from the cache, so it creates and deletes nothing for a ReplicaSet until the cache shows all that it did before
(`replicas.expectations`). Creations start slowly, so that a quota or a refusing admission is not hammered.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec
from lightkube.models.apps_v1 import ReplicaSetCondition, ReplicaSetSpec, ReplicaSetStatus
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import ReplicaSet
from lightkube.resources.core_v1 import Pod

from master.client.errors import StatusError
from master.client.protocol import DeleteOptions
from master.controllers.context import ControllerContext
from master.controllers.objects.metadata import (
    Key,
    controller_of,
    controller_reference,
    key_of,
    labels_of,
    meta,
    name_of,
    namespace_of,
    terminating,
    uid_of,
    whole_seconds,
)
from master.controllers.objects.ownership import Claims
from master.controllers.objects.pods import available_at, is_active, is_available, is_ready
from master.controllers.objects.selectors import contains, matches, selects_nothing
from master.controllers.replicas.expectations import Expectations
from master.controllers.replicas.ranking import pods_to_delete
from master.controllers.replicas.slow_start import slow_start
from master.informer import WorkQueue, run_workers

BURST = 500
"""Pods that one reconcile creates or deletes at most, as in kube-controller-manager."""

_BY_CONTROLLER = "controller-uid"
_ORPHANS = "orphans"


class ReplicaSetController:
    """Reconciles ReplicaSets by key."""

    name = "replicaset"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._workers = context.settings.workers
        self._events = context.recorder("replicaset-controller")
        self._replica_sets = context.informers.of(ReplicaSet)
        self._pods = context.informers.of(Pod)
        self._pods.add_index(_BY_CONTROLLER, _controller_uid)
        self._pods.add_index(_ORPHANS, _orphan_namespace)
        self._queue: WorkQueue[Key] = WorkQueue(self.name)
        self._expectations = Expectations()
        self._replica_sets.add_handler(self._on_replica_set)
        self._pods.add_handler(self._on_pod)

    async def run(self) -> None:
        await self._replica_sets.synced()
        await self._pods.synced()
        await run_workers(self._queue, self._reconcile, workers=self._workers, name=self.name)

    def _on_replica_set(self, old: ReplicaSet | None, new: ReplicaSet | None) -> None:
        if old is not None and (new is None or uid_of(new) != uid_of(old)):
            self._expectations.forget(key_of(old))
        if new is not None:
            self._queue.add(key_of(new))

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and new is not None and uid_of(old) != uid_of(new):
            self._on_pod(old, None)
            self._on_pod(None, new)
            return
        for pod in (old, new):
            owner = self._owner_key(pod) if pod is not None else None
            if pod is None or owner is None:
                continue
            if old is None:
                self._expectations.created(owner)
            if new is None or terminating(pod):
                self._expectations.deleted(owner, uid_of(pod))
            self._queue.add(owner)
        if new is not None and controller_of(new) is None and not terminating(new):
            for replica_set in self._replica_sets.list(namespace_of(new)):
                if replica_set.spec and matches(replica_set.spec.selector, labels_of(new)):
                    self._queue.add(key_of(replica_set))

    def _owner_key(self, pod: Pod) -> Key | None:
        """The key of the ReplicaSet that the pod names, whether or not the cache has it yet."""
        reference = controller_of(pod)
        if reference is None or reference.kind != "ReplicaSet":
            return None
        return namespace_of(pod), reference.name

    async def _reconcile(self, key: Key) -> None:
        replica_set = self._replica_sets.get(*key)
        if replica_set is None or replica_set.spec is None:
            self._expectations.forget(key)
            return
        if selects_nothing(replica_set.spec.selector):
            return
        # Asked before the pods are read: an event between the two makes the answer stale on the safe side.
        settled = self._expectations.satisfied(key, now=self._clock.monotonic())
        candidates = [
            *self._pods.by_index(_BY_CONTROLLER, uid_of(replica_set)),
            *self._pods.by_index(_ORPHANS, namespace_of(replica_set)),
        ]
        claims = Claims(self._client, replica_set, replica_set.spec.selector)
        pods = await claims.claim(Pod, [pod for pod in candidates if is_active(pod)])
        failure: tuple[str, StatusError] | None = None
        if settled and not terminating(replica_set):
            failure = await self._manage(key, replica_set, replica_set.spec, pods)
        await self._sync_status(replica_set, replica_set.spec, pods, failure)
        if failure is not None:
            raise failure[1]

    async def _manage(
        self, key: Key, replica_set: ReplicaSet, spec: ReplicaSetSpec, pods: Sequence[Pod]
    ) -> tuple[str, StatusError] | None:
        """Create or delete the difference; the reason of the condition ReplicaFailure and the error when that failed."""
        missing = _replicas(spec) - len(pods)
        if missing > 0:
            error = await self._create(key, replica_set, spec, min(missing, BURST))
            return None if error is None else ("FailedCreate", error)
        if missing < 0:
            related = [pod for each in self._siblings(replica_set) for pod in self._pods.by_index(_BY_CONTROLLER, each)]
            doomed = pods_to_delete(pods, related, min(-missing, BURST), now=self._clock.now())
            error = await self._delete(key, replica_set, doomed)
            return None if error is None else ("FailedDelete", error)
        return None

    def _siblings(self, replica_set: ReplicaSet) -> list[str]:
        """The uids of the ReplicaSets of the same owner, this one's included."""
        owner = controller_of(replica_set)
        if owner is None:
            return [uid_of(replica_set)]
        related = self._replica_sets.list(namespace_of(replica_set))
        return [uid_of(each) for each in related if (other := controller_of(each)) and other.uid == owner.uid]

    async def _create(self, key: Key, replica_set: ReplicaSet, spec: ReplicaSetSpec, count: int) -> StatusError | None:
        pod = _new_pod(replica_set, spec)
        self._expectations.expect_creations(key, count, now=self._clock.monotonic())

        async def create() -> None:
            try:
                created = await self._client.create(pod)
            except StatusError as error:
                self._expectations.created(key)
                if not _namespace_ends(error):
                    self._events.event(replica_set, "Warning", "FailedCreate", f"Error creating: {error.message}")
                raise
            self._events.event(replica_set, "Normal", "SuccessfulCreate", f"Created pod: {name_of(created)}")

        made, error = await slow_start(count, create)
        if error is not None:
            # Each failed call has crossed itself off; what was never called is crossed off here.
            self._expectations.created(key, count - made)
            if _namespace_ends(error):
                return None
        return error

    async def _delete(self, key: Key, replica_set: ReplicaSet, pods: Sequence[Pod]) -> StatusError | None:
        self._expectations.expect_deletions(key, map(uid_of, pods), now=self._clock.monotonic())
        errors: list[StatusError] = []
        async with asyncio.TaskGroup() as group:
            for pod in pods:
                group.create_task(self._delete_one(key, replica_set, pod, errors))
        return errors[0] if errors else None

    async def _delete_one(self, key: Key, replica_set: ReplicaSet, pod: Pod, errors: list[StatusError]) -> None:
        try:
            await self._client.delete(Pod, name_of(pod), namespace_of(pod), DeleteOptions(uid=uid_of(pod)))
        except StatusError as error:
            self._expectations.deleted(key, uid_of(pod))
            if error.code not in {404, 409}:
                self._events.event(replica_set, "Warning", "FailedDelete", f"Error deleting: {error.message}")
                errors.append(error)
        else:
            self._events.event(replica_set, "Normal", "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")

    async def _sync_status(
        self,
        replica_set: ReplicaSet,
        spec: ReplicaSetSpec,
        pods: Sequence[Pod],
        failure: tuple[str, StatusError] | None,
    ) -> None:
        now = self._clock.now()
        status = replica_status(replica_set, spec, pods, now=now)
        status = msgspec.structs.replace(status, conditions=_conditions(status, failure, whole_seconds(now)))
        if status != replica_set.status:
            await self._client.replace_status(msgspec.structs.replace(replica_set, status=status))
        min_ready = spec.minReadySeconds or 0
        if min_ready:
            waits = [at - now for pod in pods if (at := available_at(pod, min_ready)) is not None and at > now]
            if waits:
                self._queue.add_after(key_of(replica_set), min(waits).total_seconds())


def replica_status(replica_set: ReplicaSet, spec: ReplicaSetSpec, pods: Sequence[Pod], *, now: datetime) -> ReplicaSetStatus:
    """The counts as these active pods have them; the conditions stay as they were."""
    template = spec.template.metadata if spec.template else None
    wanted = (template.labels if template else None) or {}
    min_ready = spec.minReadySeconds or 0
    return ReplicaSetStatus(
        replicas=len(pods),
        fullyLabeledReplicas=sum(contains(wanted, labels_of(pod)) for pod in pods) or None,
        readyReplicas=sum(map(is_ready, pods)) or None,
        availableReplicas=sum(is_available(pod, min_ready, now) for pod in pods) or None,
        observedGeneration=meta(replica_set).generation,
        conditions=replica_set.status.conditions if replica_set.status else None,
    )


def _conditions(
    status: ReplicaSetStatus, failure: tuple[str, StatusError] | None, now: datetime
) -> list[ReplicaSetCondition] | None:
    others = [each for each in status.conditions or () if each.type != "ReplicaFailure"]
    if failure is None:
        return others or None
    if len(others) != len(status.conditions or ()):
        return status.conditions
    reason, error = failure
    condition = ReplicaSetCondition(
        type="ReplicaFailure", status="True", reason=reason, message=error.message, lastTransitionTime=now
    )
    return [*others, condition]


def _new_pod(replica_set: ReplicaSet, spec: ReplicaSetSpec) -> Pod:
    template = spec.template
    metadata = (template.metadata if template else None) or ObjectMeta()
    return Pod(
        metadata=ObjectMeta(
            generateName=f"{name_of(replica_set)}-",
            namespace=namespace_of(replica_set),
            labels=metadata.labels,
            annotations=metadata.annotations,
            finalizers=metadata.finalizers,
            ownerReferences=[controller_reference(replica_set)],
        ),
        spec=template.spec if template else None,
    )


def _namespace_ends(error: StatusError) -> bool:
    """Whether the creation was refused because the namespace is being deleted: nothing to report, nothing to retry."""
    causes = (error.details or {}).get("causes") or ()
    return error.code == 403 and any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


def _replicas(spec: ReplicaSetSpec) -> int:
    return 1 if spec.replicas is None else spec.replicas


def _controller_uid(pod: Pod) -> list[str]:
    reference = controller_of(pod)
    return [reference.uid] if reference else []


def _orphan_namespace(pod: Pod) -> list[str]:
    return [] if controller_of(pod) else [namespace_of(pod)]
