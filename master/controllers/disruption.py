"""The disruption controller: says in each PodDisruptionBudget's status how many of its pods an eviction may take.

    budget changed, pod of it changed, workload scaled ──► count ──► status (evictions spend disruptionsAllowed)
    evicted pod that does not begin its end within two minutes ──► event NotDeleted, it counts again

What an eviction booked and this count overlap is settled by compare-and-set: whoever is late counts again.
Source: k8s.io/kubernetes pkg/controller/disruption, https://kubernetes.io/docs/tasks/run-application/configure-pdb/
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from lightkube.core.resource import NamespacedResource, Resource
from lightkube.models.policy_v1 import PodDisruptionBudgetSpec, PodDisruptionBudgetStatus
from lightkube.resources.apps_v1 import Deployment, ReplicaSet, StatefulSet
from lightkube.resources.core_v1 import Pod, ReplicationController
from lightkube.resources.policy_v1 import PodDisruptionBudget

from master.client.errors import StatusError
from master.controllers.budgets.counts import counted, evicted, failed_status, needs_scale, status_of
from master.controllers.context import ControllerContext
from master.controllers.objects.metadata import (
    Key,
    controller_of,
    key_of,
    labels_of,
    meta,
    name_of,
    namespace_of,
    uid_of,
    whole_seconds,
)
from master.controllers.objects.selectors import matches
from master.informer import Informer, WorkQueue, run_workers

#: The workloads whose size is known, by apiVersion and kind.
_SCALED: dict[tuple[str, str], type[NamespacedResource]] = {
    ("apps/v1", "Deployment"): Deployment,
    ("apps/v1", "ReplicaSet"): ReplicaSet,
    ("apps/v1", "StatefulSet"): StatefulSet,
    ("v1", "ReplicationController"): ReplicationController,
}


class _NoScale(Exception):
    """A pod's controller does not say how many pods it wants."""


class DisruptionController:
    """Reconciles budgets by namespace and name."""

    name = "disruption"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._workers = context.settings.workers
        self._events = context.recorder("controllermanager")
        self._queue: WorkQueue[Key] = WorkQueue(self.name)
        self._budgets = context.informers.of(PodDisruptionBudget)
        self._pods = context.informers.of(Pod)
        self._workloads: dict[tuple[str, str], Informer[Any]] = {
            name: context.informers.of(kind) for name, kind in _SCALED.items()
        }
        self._budgets.add_handler(self._on_budget)
        self._pods.add_handler(self._on_pod)
        for informer in self._workloads.values():
            informer.add_handler(self._on_workload)

    async def run(self) -> None:
        await self._budgets.synced()
        await self._pods.synced()
        for informer in self._workloads.values():
            await informer.synced()
        await run_workers(self._queue, self._reconcile, workers=self._workers, name=self.name)

    # What changes, and which budgets that concerns.

    def _on_budget(self, old: PodDisruptionBudget | None, new: PodDisruptionBudget | None) -> None:
        if new is not None:
            self._queue.add(key_of(new))

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            if pod is not None:
                self._add_selecting(pod)

    def _on_workload(self, old: Resource | None, new: Resource | None) -> None:
        if _replicas(old) != _replicas(new):
            self._add(namespace_of(new or old or PodDisruptionBudget()), lambda budget: needs_scale(_spec(budget)))

    def _add_selecting(self, pod: Pod) -> None:
        labels = labels_of(pod)
        self._add(namespace_of(pod), lambda budget: matches(_spec(budget).selector, labels))

    def _add(self, namespace: str, concerned: Callable[[PodDisruptionBudget], bool]) -> None:
        for budget in self._budgets.list(namespace):
            if concerned(budget):
                self._queue.add(key_of(budget))

    # What is done about one budget.

    async def _reconcile(self, key: Key) -> None:
        budget = self._budgets.get(*key)
        if budget is None:
            return
        now = whole_seconds(self._clock.now())
        spec, former, generation = _spec(budget), budget.status, meta(budget).generation or 0
        pods = [pod for pod in self._pods.list(key[0]) if matches(spec.selector, labels_of(pod))]
        gone = evicted(former.disruptedPods if former else None, pods, now)
        for pod in pods:
            if name_of(pod) in gone.late:
                message = f"Pod was expected by PDB {key[0]}/{key[1]} to be deleted but it wasn't"
                self._events.event(pod, "Warning", "NotDeleted", message)
        try:
            expected = self._expected(pods) if needs_scale(spec) else 0
        except _NoScale as error:
            status = failed_status(former, str(error), generation=generation, now=now)
        else:
            counts = counted(spec, pods, gone.waiting, expected)
            status = status_of(former, counts, gone.waiting, generation=generation, now=now)
        await self._write(budget, former, status)
        if gone.look_again is not None:
            self._queue.add_after(key, max(0.0, (gone.look_again - now).total_seconds()))

    def _expected(self, pods: Sequence[Pod]) -> int:
        """How many pods the controllers of these want in all; one without a controller counts for none."""
        wanted: dict[str, int] = {}
        for pod in pods:
            reference = controller_of(pod)
            if reference is None or reference.uid in wanted:
                continue
            owner = self._workload(reference.apiVersion, reference.kind, namespace_of(pod), reference.name, reference.uid)
            above = controller_of(owner)
            if above is not None and above.kind == "Deployment":
                owner = self._workload(above.apiVersion, above.kind, namespace_of(pod), above.name, above.uid)
                wanted[reference.uid] = 0
            wanted[uid_of(owner)] = _replicas(owner) or 0
        return sum(wanted.values())

    def _workload(self, api_version: str, kind: str, namespace: str, name: str, uid: str) -> Resource:
        informer = self._workloads.get((api_version, kind))
        owner: Resource | None = informer.get(namespace, name) if informer is not None else None
        if owner is None or uid_of(owner) != uid:
            raise _NoScale(f"found no scale of {kind} {name!r} ({api_version})")
        return owner

    async def _write(
        self, budget: PodDisruptionBudget, former: PodDisruptionBudgetStatus | None, status: PodDisruptionBudgetStatus
    ) -> None:
        if status == former:
            return
        try:
            await self._client.replace_status(msgspec.structs.replace(budget, status=status))
        except StatusError as error:
            if error.code != 404:
                raise


def _spec(budget: PodDisruptionBudget) -> PodDisruptionBudgetSpec:
    return budget.spec or PodDisruptionBudgetSpec()


def _replicas(workload: Resource | None) -> int | None:
    spec = getattr(workload, "spec", None)
    return 1 if spec is not None and spec.replicas is None else getattr(spec, "replicas", None)
