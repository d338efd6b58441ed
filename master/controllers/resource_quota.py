"""The quota controller: counts what each ResourceQuota's namespace uses, and gives back what was deleted.

    quota made or changed ──► status.hard follows spec.hard at once, what is used is counted
    object deleted, pod finished, Service or claim changed ──► the namespace's quotas that count it are counted anew
    every five minutes ──► each quota is counted anew

Admission charges a quota before it stores the object, so a count can miss an object that is on its way. Less than what is
charged is therefore written only when nobody has charged the quota for a while; more is written at once.
Source: kubernetes' pkg/controller/resourcequota, https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

import msgspec
from lightkube.core.resource import NamespacedResource, Resource
from lightkube.models.core_v1 import ResourceQuotaStatus
from lightkube.resources.core_v1 import PersistentVolumeClaim, Pod, ResourceQuota, Service

from master.client.errors import StatusError
from master.client.kinds import resource_ref
from master.controllers.context import ControllerContext
from master.controllers.objects.metadata import Key, key_of, namespace_of
from master.controllers.objects.pods import is_finished
from master.informer import Retry, WorkQueue, run_workers
from master.quota.quantities import equal
from master.quota.quotas import Count
from master.quota.registry import IGNORED, counted, evaluator_of
from proto.k8s.quantity import parse

#: How often each quota is counted whatever happens, in seconds.
_FULL_RESYNC = 300.0
#: How long after a charge its object is surely stored, in seconds.
_SETTLED = 1.0
#: Deletions come in numbers: what comes within this time is counted once, in seconds; and within this many times the time that
#: the last count took, so that counting takes a small share of the loop in a namespace of thousands of pods.
_GATHER, _GATHER_TIMES = 0.1, 20
#: Objects that are counted before others get their turn on the event loop.
_CHUNK = 200


class ResourceQuotaController:
    """Reconciles quotas by namespace and name."""

    name = "resourcequota"

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._workers = context.settings.workers
        self._informers = context.informers
        self._served = context.kinds
        self._kinds: dict[tuple[str, str], type[Resource]] = {}
        self._followed: set[type[Resource]] = set()
        self._charged_at: dict[Key, float] = {}
        self._took: dict[Key, float] = {}
        self._queue: WorkQueue[Key] = WorkQueue(self.name)
        self._quotas = context.informers.of(ResourceQuota)
        self._quotas.add_handler(self._on_quota)
        self._follow_kinds()
        self._served.on_change(self._follow_kinds)

    async def run(self) -> None:
        await self._quotas.synced()
        await run_workers(self._queue, self._reconcile, workers=self._workers, name=self.name)

    # What changes, and which quotas that concerns.

    def _follow_kinds(self) -> None:
        self._kinds = {}
        for kind in self._served.types().values():
            resource = resource_ref(kind)
            if issubclass(kind, NamespacedResource) and (resource.group, resource.plural) not in IGNORED:
                self._kinds[resource.group, resource.plural] = kind
        for kind in set(self._kinds.values()) - self._followed:
            self._informers.of(kind).add_handler(self._handler(kind))
        self._followed = set(self._kinds.values())

    def _handler(self, kind: type[Resource]) -> Callable[[Resource | None, Resource | None], None]:
        return partial(self._on_object, kind)

    def _on_quota(self, old: ResourceQuota | None, new: ResourceQuota | None) -> None:
        if new is None:
            if old is not None:
                self._charged_at.pop(key_of(old), None)
                self._took.pop(key_of(old), None)
            return
        self._charged_at[key_of(new)] = self._clock.monotonic()
        if old is None or _hard(new) != ((new.status.hard if new.status else None) or {}):
            self._queue.add(key_of(new))

    def _on_object(self, kind: type[Resource], old: Resource | None, new: Resource | None) -> None:
        if old is None or (new is not None and not _frees(old, new)):
            return
        resource = resource_ref(kind)
        evaluator = evaluator_of(resource.group, resource.plural)
        for quota in self._quotas.list(namespace_of(old)):
            if evaluator.names(_hard(quota)):
                self._queue.add_after(key_of(quota), max(_GATHER, _GATHER_TIMES * self._took.get(key_of(quota), 0.0)))

    # What is done about one quota.

    async def _reconcile(self, key: Key) -> None:
        namespace, name = key
        try:
            quota = await self._client.get(ResourceQuota, name, namespace)
        except StatusError as error:
            if error.code == 404:
                return
            raise
        began = self._clock.monotonic()
        quiet_for = began - self._charged_at.get(key, began)
        hard = dict(_hard(quota))
        before = dict((quota.status.used if quota.status else None) or {})
        found = await self._count(quota, namespace, hard)
        self._took[key] = self._clock.monotonic() - began
        held_back = {text for text in found if quiet_for < _SETTLED and parse(found[text]) < parse(before.get(text, "0"))}
        used = {text: before[text] if text in held_back else found[text] for text in hard}
        accepted = dict((quota.status.hard if quota.status else None) or {})
        if not equal(accepted, hard) or not equal(before, used):
            status = ResourceQuotaStatus(hard=hard, used=used)
            await self._client.replace_status(msgspec.structs.replace(quota, status=status))
        if held_back:
            raise Retry(_SETTLED)
        self._queue.add_after(key, _FULL_RESYNC)

    async def _count(self, quota: ResourceQuota, namespace: str, hard: Mapping[str, str]) -> dict[str, str]:
        """What is used, as the API has it: a cache that lags would give back what is still used."""
        count = Count(msgspec.to_builtins(quota))
        for group, plural in sorted(counted(hard)):
            kind = self._kinds.get((group, plural))
            objects = [] if kind is None else await self._client.list(kind, namespace)
            for start in range(0, len(objects), _CHUNK):
                count.add(group, plural, (msgspec.to_builtins(obj) for obj in objects[start : start + _CHUNK]))
                await asyncio.sleep(0)
        return count.result()


def _hard(quota: ResourceQuota) -> Mapping[str, str]:
    return (quota.spec.hard if quota.spec else None) or {}


def _frees(old: Resource, new: Resource) -> bool:
    """Whether a change can mean that less is used, or, for what admission does not see, more."""
    if isinstance(old, Pod) and isinstance(new, Pod):
        return is_finished(old) != is_finished(new)
    if isinstance(old, Service) and isinstance(new, Service):
        return old.spec != new.spec
    if isinstance(old, PersistentVolumeClaim) and isinstance(new, PersistentVolumeClaim):
        return old.spec != new.spec or old.status != new.status
    return False
