"""The Deployment controller: rolls a Deployment's template out over ReplicaSets, new up and old down, and keeps its history.

Pods are the ReplicaSet controller's business. Each reconcile does the next step that the bounds allow and writes what it saw
to the status; the ReplicaSets' status changes bring the one after. Every write carries the resourceVersion it was computed
from, so a cache that lags costs a retry, never a wrong step; a new ReplicaSet's name is made from its template, so it is never
created twice. `kubectl rollout status|history|undo|pause|restart` use what `rollout.revisions` and `rollout.conditions` write.
"""

from dataclasses import dataclass
from datetime import datetime

import msgspec
from lightkube.models.apps_v1 import DeploymentSpec, DeploymentStatus, ReplicaSetSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment, ReplicaSet
from lightkube.resources.core_v1 import Pod

from master.client.errors import StatusError
from master.client.protocol import DeleteOptions
from master.controllers.context import ControllerContext
from master.controllers.objects.metadata import (
    Key,
    annotations_of,
    controller_of,
    controller_reference,
    created,
    key_of,
    labels_of,
    meta,
    name_of,
    namespace_of,
    terminating,
    uid_of,
    whole_seconds,
    with_metadata,
)
from master.controllers.objects.ownership import Claims
from master.controllers.objects.pods import is_finished
from master.controllers.objects.selectors import matches, selects_nothing
from master.controllers.rollout import conditions, revisions
from master.controllers.rollout.conditions import replicas_of, status_of, wanted_by
from master.controllers.rollout.rolling_update import (
    Bounds,
    ReplicaCounts,
    new_replicas,
    old_replicas,
    proportional_sizes,
    rolling_bounds,
)
from master.informer import Retry, WorkQueue, run_workers


@dataclass(slots=True)
class _Rollout:
    """One reconcile's view. `deployment` may be ahead of the API in its status, which is written at the end."""

    deployment: Deployment
    spec: DeploymentSpec
    sets: list[ReplicaSet]
    new: ReplicaSet | None

    @property
    def old(self) -> list[ReplicaSet]:
        return [each for each in self.sets if self.new is None or uid_of(each) != uid_of(self.new)]

    @property
    def recreates(self) -> bool:
        return self.spec.strategy is not None and self.spec.strategy.type == "Recreate"

    @property
    def bounds(self) -> Bounds:
        replicas = replicas_of(self.deployment)
        if self.recreates:
            return Bounds(replicas, 0, 0)
        rolling = self.spec.strategy.rollingUpdate if self.spec.strategy else None
        if rolling is None:
            return rolling_bounds(replicas, "25%", "25%")
        return rolling_bounds(replicas, rolling.maxSurge, rolling.maxUnavailable)

    def put(self, replica_set: ReplicaSet) -> None:
        """Take in what the API returned."""
        self.sets = [each for each in self.sets if uid_of(each) != uid_of(replica_set)] + [replica_set]
        if self.new is not None and uid_of(self.new) == uid_of(replica_set):
            self.new = replica_set

    def set_status(self, status: DeploymentStatus) -> None:
        self.deployment = msgspec.structs.replace(self.deployment, status=status)


class DeploymentController:
    """Reconciles Deployments by key."""

    name = "deployment"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._workers = context.settings.workers
        self._events = context.recorder("deployment-controller")
        self._deployments = context.informers.of(Deployment)
        self._replica_sets = context.informers.of(ReplicaSet)
        self._pods = context.informers.of(Pod)
        self._queue: WorkQueue[Key] = WorkQueue(self.name)
        self._deployments.add_handler(self._on_deployment)
        self._replica_sets.add_handler(self._on_replica_set)
        self._pods.add_handler(self._on_pod)

    async def run(self) -> None:
        await self._deployments.synced()
        await self._replica_sets.synced()
        await self._pods.synced()
        await run_workers(self._queue, self._reconcile, workers=self._workers, name=self.name)

    def _on_deployment(self, old: Deployment | None, new: Deployment | None) -> None:
        for each in (new or old,):
            if each is not None:
                self._queue.add(key_of(each))

    def _on_replica_set(self, old: ReplicaSet | None, new: ReplicaSet | None) -> None:
        for each in (old, new):
            if each is None:
                continue
            reference = controller_of(each)
            if reference is not None:
                if reference.kind == "Deployment":
                    self._queue.add((namespace_of(each), reference.name))
            elif each is new:
                for deployment in self._deployments.list(namespace_of(each)):
                    if deployment.spec and matches(deployment.spec.selector, labels_of(each)):
                        self._queue.add(key_of(deployment))

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        """Recreate waits for the last old pod to be gone."""
        if old is None or (new is not None and not is_finished(new)):
            return
        reference = controller_of(old)
        if reference is None or reference.kind != "ReplicaSet":
            return
        replica_set = self._replica_sets.get(namespace_of(old), reference.name)
        owner = controller_of(replica_set) if replica_set else None
        if owner is not None and owner.kind == "Deployment":
            self._queue.add((namespace_of(old), owner.name))

    async def _reconcile(self, key: Key) -> None:
        deployment = self._deployments.get(*key)
        if deployment is None or deployment.spec is None:
            return
        if selects_nothing(deployment.spec.selector):
            message = "This deployment is selecting all pods. A non-empty selector is required."
            self._events.event(deployment, "Warning", "SelectingAll", message)
            seen = msgspec.structs.replace(status_of(deployment), observedGeneration=meta(deployment).generation)
            await self._write_status(deployment, seen)
            return
        claims = Claims(self._client, deployment, deployment.spec.selector)
        sets = await claims.claim(ReplicaSet, self._replica_sets.list(key[0]))
        rollout = _Rollout(deployment, deployment.spec, sets, revisions.newest(deployment, sets))
        if not terminating(deployment):
            await self._act(rollout)
        await self._sync_status(rollout, deployment)

    async def _act(self, rollout: _Rollout) -> None:
        self._note_pause(rollout)
        if rollout.new is not None:
            await self._annotate_new(rollout, rollout.new)
        if rollout.spec.paused or self._is_scaling(rollout):
            await self._scale_in_proportion(rollout)
            if rollout.spec.paused:
                await self._clean_up(rollout)
        elif rollout.recreates:
            await self._recreate(rollout)
        else:
            await self._roll(rollout)

    # The two strategies.

    async def _roll(self, rollout: _Rollout) -> None:
        if rollout.new is None:
            await self._create_new(rollout)
        elif await self._scale_new(rollout, rollout.new, self._next_size(rollout, rollout.new)):
            return
        new = _counts(rollout.new) if rollout.new else None
        sizes = old_replicas(rollout.bounds, list(map(_counts, rollout.old)), new)
        for each in rollout.old:
            if name_of(each) in sizes:
                await self._scale(rollout, each, sizes[name_of(each)])
        if not sizes and conditions.is_complete(rollout.deployment, self._status(rollout)):
            await self._clean_up(rollout)

    async def _recreate(self, rollout: _Rollout) -> None:
        running = [each for each in rollout.old if wanted_by(each) > 0]
        for each in running:
            await self._scale(rollout, each, 0)
        if running or self._old_pods_remain(rollout):
            return
        if rollout.new is None:
            await self._create_new(rollout)
        else:
            await self._scale_new(rollout, rollout.new, replicas_of(rollout.deployment))
        if conditions.is_complete(rollout.deployment, self._status(rollout)):
            await self._clean_up(rollout)

    def _old_pods_remain(self, rollout: _Rollout) -> bool:
        if any(each.status and each.status.replicas for each in rollout.old):
            return True
        old = {uid_of(each) for each in rollout.old}
        for pod in self._pods.list(namespace_of(rollout.deployment)):
            owner = controller_of(pod)
            if owner is not None and owner.uid in old and not is_finished(pod):
                return True
        return False

    # Scaling.

    def _next_size(self, rollout: _Rollout, new: ReplicaSet | None) -> int:
        everything = sum(map(wanted_by, rollout.sets))
        return new_replicas(rollout.bounds, everything, wanted_by(new) if new else 0)

    def _is_scaling(self, rollout: _Rollout) -> bool:
        """Whether spec.replicas changed since an active ReplicaSet was sized: then sizes first, the rollout later."""
        desired = str(replicas_of(rollout.deployment))
        annotated = [annotations_of(each).get(revisions.DESIRED_REPLICAS) for each in rollout.sets if wanted_by(each) > 0]
        return any(value is not None and value != desired for value in annotated)

    async def _scale_in_proportion(self, rollout: _Rollout) -> None:
        replicas = replicas_of(rollout.deployment)
        active = [each for each in rollout.sets if wanted_by(each) > 0]
        latest = rollout.new or max(rollout.old, key=lambda each: (created(each), name_of(each)), default=None)
        if len(active) <= 1:
            only = active[0] if active else latest
            if only is not None:
                await self._scale(rollout, only, replicas)
        elif rollout.new is not None and _saturated(rollout.deployment, rollout.new):
            for each in active:
                if uid_of(each) != uid_of(rollout.new):
                    await self._scale(rollout, each, 0)
        elif not rollout.recreates:
            deployed = status_of(rollout.deployment).replicas or 0
            sizes = proportional_sizes(rollout.bounds, list(map(_counts, active)), deployed)
            for each in active:
                await self._scale(rollout, each, sizes[name_of(each)])

    async def _scale_new(self, rollout: _Rollout, new: ReplicaSet, size: int) -> bool:
        if wanted_by(new) == size:
            return False
        await self._scale(rollout, new, size)
        return True

    async def _scale(self, rollout: _Rollout, replica_set: ReplicaSet, size: int) -> None:
        """Write a ReplicaSet's size, and what it was computed from."""
        before = wanted_by(replica_set)
        wanted = {
            **annotations_of(replica_set),
            **revisions.replicas_annotations(rollout.bounds.replicas, rollout.bounds.max_total),
        }
        if (before == size and wanted == annotations_of(replica_set)) or replica_set.spec is None:
            return
        sized = msgspec.structs.replace(replica_set, spec=msgspec.structs.replace(replica_set.spec, replicas=size))
        rollout.put(await self._client.replace(with_metadata(sized, annotations=wanted)))
        if before != size:
            way = "up" if size > before else "down"
            message = f"Scaled {way} replica set {name_of(replica_set)} from {before} to {size}"
            self._events.event(rollout.deployment, "Normal", "ScalingReplicaSet", message)

    # The newest ReplicaSet and the history.

    async def _annotate_new(self, rollout: _Rollout, new: ReplicaSet) -> None:
        revision = revisions.next_revision(rollout.old)
        annotations = revisions.new_annotations(rollout.deployment, annotations_of(new), revision)
        min_ready = rollout.spec.minReadySeconds
        if new.spec is not None and (
            annotations != annotations_of(new) or (new.spec.minReadySeconds or 0) != (min_ready or 0)
        ):
            spec = msgspec.structs.replace(new.spec, minReadySeconds=min_ready)
            changed = with_metadata(msgspec.structs.replace(new, spec=spec), annotations=annotations)
            rollout.put(await self._client.replace(changed))
        await self._note_revision(rollout, annotations[revisions.REVISION])
        if conditions.condition_of(status_of(rollout.deployment), "Progressing") is None:
            self._note_progress(rollout, "True", "FoundNewReplicaSet", f'Found new replica set "{name_of(new)}"')

    async def _note_revision(self, rollout: _Rollout, revision: str) -> None:
        if annotations_of(rollout.deployment).get(revisions.REVISION) == revision:
            return
        metadata = meta(rollout.deployment)
        patch = {
            "metadata": {
                "uid": metadata.uid,
                "resourceVersion": metadata.resourceVersion,
                "annotations": {revisions.REVISION: revision},
            }
        }
        name, namespace = name_of(rollout.deployment), namespace_of(rollout.deployment)
        # Through the status: there it is no change that this controller has yet to observe.
        written = await self._client.patch(Deployment, name, namespace, patch, subresource="status")
        rollout.deployment = msgspec.structs.replace(rollout.deployment, metadata=written.metadata)

    async def _create_new(self, rollout: _Rollout) -> None:
        deployment, spec = rollout.deployment, rollout.spec
        collisions = status_of(deployment).collisionCount or 0
        hash_ = revisions.template_hash(spec.template, collisions)
        template = revisions.hashed_template(spec.template, hash_)
        size = replicas_of(deployment) if rollout.recreates else self._next_size(rollout, None)
        revision = revisions.next_revision(rollout.old)
        annotations = {
            **revisions.new_annotations(deployment, {}, revision),
            **revisions.replicas_annotations(rollout.bounds.replicas, rollout.bounds.max_total),
        }
        wanted = ReplicaSet(
            metadata=ObjectMeta(
                name=f"{name_of(deployment)}-{hash_}",
                namespace=namespace_of(deployment),
                labels=(template.metadata.labels if template.metadata else None),
                annotations=annotations,
                ownerReferences=[controller_reference(deployment)],
            ),
            spec=ReplicaSetSpec(
                replicas=size,
                minReadySeconds=spec.minReadySeconds,
                selector=revisions.hashed_selector(spec.selector, hash_),
                template=template,
            ),
        )
        try:
            new = await self._client.create(wanted)
        except StatusError as error:
            new = await self._existing(rollout, wanted, error)
        else:
            if size:
                message = f"Scaled up replica set {name_of(new)} from 0 to {size}"
                self._events.event(deployment, "Normal", "ScalingReplicaSet", message)
            self._note_progress(rollout, "True", "NewReplicaSetCreated", f'Created new replica set "{name_of(new)}"')
        rollout.new = new
        rollout.put(new)
        await self._note_revision(rollout, annotations_of(new).get(revisions.REVISION, str(revision)))

    async def _existing(self, rollout: _Rollout, wanted: ReplicaSet, error: StatusError) -> ReplicaSet:
        """The ReplicaSet that was created already, before the cache knew. Raises when the creation truly failed."""
        deployment = rollout.deployment
        if error.reason == "AlreadyExists":
            found = await self._client.get(ReplicaSet, name_of(wanted), namespace_of(wanted))
            owner = controller_of(found)
            mine = owner is not None and owner.uid == uid_of(deployment)
            if mine and found.spec and revisions.same_template(found.spec.template, rollout.spec.template):
                return found
            status = status_of(deployment)
            counted = msgspec.structs.replace(status, collisionCount=(status.collisionCount or 0) + 1)
            await self._write_status(deployment, counted)
            raise Retry(0.0) from error
        message = f'Failed to create new replica set "{name_of(wanted)}": {error.message}'
        self._note_progress(rollout, "False", "ReplicaSetCreateError", message)
        self._events.event(deployment, "Warning", "ReplicaSetCreateError", message)
        await self._write_status(deployment, status_of(rollout.deployment))
        raise error

    async def _clean_up(self, rollout: _Rollout) -> None:
        for each in revisions.forgettable(rollout.old, rollout.spec.revisionHistoryLimit):
            try:
                await self._client.delete(ReplicaSet, name_of(each), namespace_of(each), DeleteOptions(uid=uid_of(each)))
            except StatusError as error:
                if error.code not in {404, 409}:
                    raise

    # Conditions and status.

    def _note_progress(self, rollout: _Rollout, status: str, reason: str, message: str) -> None:
        if conditions.progress_deadline(rollout.deployment) is None:
            return
        condition = conditions.new_condition("Progressing", status, reason, message, now=self._now())
        rollout.set_status(conditions.with_condition(status_of(rollout.deployment), condition))

    def _note_pause(self, rollout: _Rollout) -> None:
        """The progress deadline stands still while a Deployment is paused, and starts again when it is resumed."""
        current = conditions.condition_of(status_of(rollout.deployment), "Progressing")
        reason = current.reason if current else None
        if reason == conditions.PROGRESS_DEADLINE_EXCEEDED:
            return
        if rollout.spec.paused and reason != conditions.PAUSED:
            self._note_progress(rollout, "Unknown", conditions.PAUSED, "Deployment is paused")
        elif not rollout.spec.paused and reason == conditions.PAUSED:
            self._note_progress(rollout, "Unknown", conditions.RESUMED, "Deployment is resumed")

    def _status(self, rollout: _Rollout) -> DeploymentStatus:
        return conditions.counted_status(
            rollout.deployment, rollout.sets, rollout.new, min_available=rollout.bounds.min_available, now=self._now()
        )

    async def _sync_status(self, rollout: _Rollout, original: Deployment) -> None:
        status = self._status(rollout)
        if not (rollout.spec.paused or terminating(original)):
            status = conditions.with_progress(rollout.deployment, status, rollout.new, now=self._now())
        failure = conditions.replica_failure(rollout.sets, rollout.new)
        if failure is None:
            status = conditions.without_condition(status, "ReplicaFailure")
        else:
            status = conditions.with_condition(status, failure)
        if status != original.status:
            await self._write_status(rollout.deployment, status)
        after = None if rollout.spec.paused else conditions.deadline_in(rollout.deployment, status, now=self._now())
        if after is not None:
            self._queue.add_after(key_of(original), after)

    async def _write_status(self, deployment: Deployment, status: DeploymentStatus) -> None:
        await self._client.replace_status(msgspec.structs.replace(deployment, status=status))

    def _now(self) -> datetime:
        return whole_seconds(self._clock.now())


def _counts(replica_set: ReplicaSet) -> ReplicaCounts:
    text = annotations_of(replica_set).get(revisions.MAX_REPLICAS, "")
    return ReplicaCounts(
        name=name_of(replica_set),
        wanted=wanted_by(replica_set),
        available=(replica_set.status.availableReplicas or 0) if replica_set.status else 0,
        created=created(replica_set),
        max_replicas=int(text) if text.isascii() and text.isdigit() else 0,
    )


def _saturated(deployment: Deployment, new: ReplicaSet) -> bool:
    """Whether the new ReplicaSet has all of the Deployment's pods, available: the old ones are of no use then."""
    replicas = replicas_of(deployment)
    return (
        annotations_of(new).get(revisions.DESIRED_REPLICAS) == str(replicas)
        and wanted_by(new) == replicas
        and new.status is not None
        and (new.status.availableReplicas or 0) == replicas
    )
