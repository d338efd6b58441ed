"""The namespace controller: empties a namespace that is being deleted, then lets it go.

    Terminating ──► delete all pods, then all objects of all other kinds ──► some remain (finalizers, grace) ──► again
                                                                         └─► none ──► take "kubernetes" off spec.finalizers

What it finds is in the namespace's conditions, in Kubernetes' words: `kubectl describe namespace` says what holds it up.
Source: https://kubernetes.io/docs/tasks/administer-cluster/namespaces/#deleting-a-namespace
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from lightkube.core.resource import NamespacedResource, Resource, api_info
from lightkube.models.core_v1 import NamespaceCondition, NamespaceStatus
from lightkube.resources.core_v1 import Namespace, Pod

from master.client.errors import StatusError
from master.client.protocol import DeleteOptions
from master.controllers.context import ControllerContext
from master.controllers.objects.metadata import meta, name_of, terminating, uid_of, whole_seconds
from master.informer import Retry, WorkQueue, run_workers

FINALIZER = "kubernetes"

_AGAIN = 1.0
"""Seconds until a namespace with content left is looked at again."""


@dataclass(slots=True)
class Content:
    """What one pass over a namespace found and could not do."""

    remaining: Counter[str] = field(default_factory=Counter)
    finalizers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


class NamespaceController:
    """Reconciles namespaces by name."""

    name = "namespace"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._workers = context.settings.workers
        self._kinds = context.kinds
        self._namespaces = context.informers.of(Namespace)
        self._queue: WorkQueue[str] = WorkQueue(self.name)
        self._namespaces.add_handler(self._on_namespace)

    async def run(self) -> None:
        await self._namespaces.synced()
        await run_workers(self._queue, self._reconcile, workers=self._workers, name=self.name)

    def _on_namespace(self, old: Namespace | None, new: Namespace | None) -> None:
        if new is not None and terminating(new):
            self._queue.add(name_of(new))

    async def _reconcile(self, name: str) -> None:
        cached = self._namespaces.get("", name)
        if cached is None or not terminating(cached):
            return
        try:
            namespace = await self._client.get(Namespace, name)
        except StatusError as error:
            if error.code == 404:
                return
            raise
        if not terminating(namespace) or FINALIZER not in ((namespace.spec.finalizers if namespace.spec else None) or ()):
            return
        content = Content()
        for kind in self._namespaced_kinds():
            await self._empty(kind, name, content)
            if kind is Pod and content.remaining:
                break
        namespace = await self._report(namespace, content)
        if content.failures or content.remaining:
            raise Retry(_AGAIN, f"content remains in namespace {name}")
        await self._finalize(namespace)

    def _namespaced_kinds(self) -> list[type[NamespacedResource]]:
        kinds = [kind for kind in dict.fromkeys(self._kinds.types().values()) if issubclass(kind, NamespacedResource)]
        # Pods go first, and all else only after them (KEP-5080): what guards them must not go before they do.
        return sorted(kinds, key=lambda kind: kind is not Pod)

    async def _empty(self, kind: type[NamespacedResource], namespace: str, content: Content) -> None:
        """Delete all objects of one kind, and note those that stay."""
        resource = _resource(kind)
        try:
            for obj in await self._client.list(kind, namespace):
                await self._delete(kind, obj)
            for obj in await self._client.list(kind, namespace):
                content.remaining[resource] += 1
                content.finalizers.update(meta(obj).finalizers or ())
        except StatusError as error:
            content.failures.append(f"{resource}: {error.message}")

    async def _delete(self, kind: type[Resource], obj: Resource) -> None:
        metadata = meta(obj)
        if metadata.deletionTimestamp is not None:
            return
        options = DeleteOptions(propagation_policy="Background", uid=uid_of(obj))
        try:
            await self._client.delete(kind, name_of(obj), metadata.namespace or "", options)
        except StatusError as error:
            if error.code not in {404, 409}:
                raise

    async def _report(self, namespace: Namespace, content: Content) -> Namespace:
        former = (namespace.status.conditions if namespace.status else None) or []
        conditions = content_conditions(content, former, whole_seconds(self._clock.now()))
        if conditions == former:
            return namespace
        status = NamespaceStatus(phase="Terminating", conditions=conditions)
        return await self._client.replace_status(msgspec.structs.replace(namespace, status=status))

    async def _finalize(self, namespace: Namespace) -> None:
        finalizers = [each for each in (namespace.spec.finalizers if namespace.spec else None) or () if each != FINALIZER]
        patch = {
            "metadata": {"uid": uid_of(namespace), "resourceVersion": meta(namespace).resourceVersion},
            "spec": {"finalizers": finalizers},
        }
        try:
            await self._client.patch(Namespace, name_of(namespace), "", patch, subresource="finalize")
        except StatusError as error:
            if error.code != 404:
                raise


def content_conditions(content: Content, former: Sequence[NamespaceCondition], now: datetime) -> list[NamespaceCondition]:
    """The namespace's conditions; one that says the same as before keeps its time of transition."""
    remaining = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(content.remaining.items()))
    finalizers = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(content.finalizers.items()))
    failed = f"Failed to delete all resource types, {len(content.failures)} remaining: {', '.join(content.failures)}"
    facts = [
        ("NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered", "All resources successfully discovered"),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        ("NamespaceDeletionContentFailure", "True", "ContentDeletionFailed", failed)
        if content.failures
        else (
            "NamespaceDeletionContentFailure",
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        ("NamespaceContentRemaining", "True", "SomeResourcesRemain", f"Some resources are remaining: {remaining}")
        if remaining
        else ("NamespaceContentRemaining", "False", "ContentRemoved", "All content successfully removed"),
        (
            "NamespaceFinalizersRemaining",
            "True",
            "SomeFinalizersRemain",
            f"Some content in the namespace has finalizers remaining: {finalizers}",
        )
        if finalizers
        else (
            "NamespaceFinalizersRemaining",
            "False",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ),
    ]
    before = {condition.type: condition for condition in former}
    ours = {type_ for type_, *_ in facts}
    conditions = [condition for condition in former if condition.type not in ours]
    for type_, status, reason, message in facts:
        known = before.get(type_)
        since = known.lastTransitionTime if known is not None and known.status == status else now
        conditions.append(
            NamespaceCondition(type=type_, status=status, reason=reason, message=message, lastTransitionTime=since)
        )
    return conditions


def _resource(kind: type[Resource]) -> str:
    """The kind as Kubernetes names it in conditions: "pods." in the core group, else "deployments.apps"."""
    info = api_info(kind)
    return f"{info.plural}.{info.resource.group}"
