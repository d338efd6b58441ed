"""pods/eviction: deletes a pod when its PodDisruptionBudget allows it. Called by HTTP.

    eviction ─┬─ pod finished, pending or going ─────────────────────────► delete
              ├─ two budgets ────────────────────────────────────────────► refused
              ├─ not ready, and nobody is the worse for its end ─────────► delete, if it is still so
              ├─ budget used up, or not counted yet ─────────────────────► 429, the client tries again
              └─ else: one disruption less in the budget, by compare-and-set ► delete

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from master.api.registry import disruption_budget as budget_rules
from master.api.registry.deletion import delete_options
from master.api.registry.registry import Registry
from master.api.registry.storage import decode, encode
from master.api.registry.write_options import WriteOptions
from master.client.errors import StatusError, bad_request
from master.client.protocol import DeleteOptions, Json, ResourceRef
from proto.k8s.time import format_time

_PODS = ResourceRef("", "v1", "pods")
_BUDGETS = ResourceRef("policy", "v1", "poddisruptionbudgets")
#: How often and how soon a conflict is tried again: the budget's controller writes it too (Kubernetes: 20 times, 500 ms).
_ATTEMPTS = 20
_PAUSE_SECONDS = 0.05


class Evictions:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def evict(self, namespace: str, name: str, eviction: Json, options: WriteOptions) -> bytes:
        """A Status as JSON. `eviction` fits its schema. Raises StatusError."""
        if (eviction.get("metadata") or {}).get("name") != name:
            raise bad_request("name in URL does not match name in Eviction object")
        await self._registry.admit(_PODS, namespace, name, eviction, options, subresource="eviction")
        wanted = delete_options(eviction.get("deleteOptions") or {}, dry_run=options.dry_run)
        pod = await self._without_budget(namespace, name, wanted, options)
        if pod is not None:
            await self._within_budget(pod, wanted, options)
        return encode({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})

    async def _without_budget(self, namespace: str, name: str, wanted: DeleteOptions, options: WriteOptions) -> Json | None:
        """Delete a pod that needs no budget; the pod when it needs one."""
        kind = self._registry.kind(_PODS)
        # A client that named a version wants that one: nothing is tried again behind its back.
        last = 0 if wanted.resource_version else _ATTEMPTS - 1
        for attempt in range(last + 1):
            pod = (await self._registry.storage.fetch(kind, namespace, name, fresh=attempt > 0)).obj
            if not budget_rules.needs_no_budget(pod):
                return pod
            try:
                await self._delete(pod, _as_seen(pod, wanted) if budget_rules.may_become_healthy(pod) else wanted, options)
                return None
            except StatusError as error:
                if error.code != 409 or attempt == last:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _within_budget(self, pod: Json, wanted: DeleteOptions, options: WriteOptions) -> None:
        namespace = pod["metadata"]["namespace"]
        budgets = await self._registry.storage.read_all(_BUDGETS.group, _BUDGETS.plural, namespace)
        found = budget_rules.budgets_of(pod, budgets)
        if len(found) > 1:
            raise budget_rules.several_budgets()
        if not found:
            return await self._delete(pod, wanted, options)
        budget = found[0]["metadata"]["name"]
        if not budget_rules.spares_nothing(found[0], pod):
            await self._spend(namespace, budget, pod["metadata"]["name"], options)
            return await self._delete(pod, wanted, options)
        try:
            return await self._delete(pod, _as_seen(pod, wanted), options)
        except StatusError as error:
            if error.code != 409 or wanted.resource_version:
                raise
            raise budget_rules.still_processing(budget) from error

    async def _spend(self, namespace: str, budget: str, pod: str, options: WriteOptions) -> None:
        """Raises StatusError 429 when the budget allows no disruption, 504 when others write it all the time."""
        registry = self._registry
        kind = registry.kind(_BUDGETS)
        for attempt in range(_ATTEMPTS):
            stored = await registry.storage.fetch(kind, namespace, budget, fresh=attempt > 0)
            after = budget_rules.spent(stored.obj, pod)
            if options.dry_run:
                return
            try:
                await registry.update(_BUDGETS, namespace, budget, after, subresource="status")
                return
            except StatusError as error:
                if error.code != 409:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)
        message = f'Timeout: couldn\'t update PodDisruptionBudget "{budget}" due to conflicts'
        raise StatusError(504, "Timeout", message, details={"retryAfterSeconds": 10})

    async def _delete(self, pod: Json, wanted: DeleteOptions, options: WriteOptions) -> None:
        """Say why the pod goes, so that its owner does not count it as failed, and delete it."""
        registry, metadata = self._registry, pod["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        if not wanted.dry_run:
            marked = await registry.patch(
                _PODS, namespace, name, "application/strategic-merge-patch+json", _mark(wanted), subresource="status"
            )
            if wanted.resource_version:
                wanted = _as_seen(decode(marked), replace(wanted, resource_version=None))
        await registry.delete(_PODS, namespace, name, wanted, user=options.user, warn=options.warn)


def _as_seen(pod: Json, wanted: DeleteOptions) -> DeleteOptions:
    """Only this version of the pod, unless the client named one."""
    return wanted if wanted.resource_version else replace(wanted, resource_version=pod["metadata"]["resourceVersion"])


def _mark(wanted: DeleteOptions) -> Json:
    """A patch of the pod's status that holds for the pod that is meant only."""
    metadata: Json = {}
    if wanted.uid:
        metadata["uid"] = wanted.uid
    if wanted.resource_version:
        metadata["resourceVersion"] = wanted.resource_version
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
        "lastTransitionTime": format_time(datetime.now(UTC)),
    }
    return {"metadata": metadata, "status": {"conditions": [condition]}}
