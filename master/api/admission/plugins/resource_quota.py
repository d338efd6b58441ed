"""ResourceQuota: refuses what does not fit into its namespace's quotas, and charges what does.

    request ─► waits for its namespace's turn ─┬─ was settled by the one before: done
                                               └─ settles all that wait: read quotas ─► check each ─► write what is used
                                                         ▲── another master or the controller was faster (409) ──┘

Usage is charged by compare-and-set before the object is stored, so creates at the same time never use more than is allowed;
what is charged and not stored after all is given back by the quota controller. The last of the validating plugins: nothing
may refuse an object that is charged. Source: k8s.io/apiserver pkg/admission/plugin/resourcequota.
"""

import asyncio
from dataclasses import dataclass, field

from master.api.admission.protocol import AdmissionContext, AdmissionRequest, ObjectReader, ObjectWriter, ValidatingPlugin
from master.client.errors import StatusError, forbidden
from master.client.protocol import Json, ResourceRef
from master.quota.evaluator import Evaluator
from master.quota.quantities import grown, not_zero
from master.quota.quotas import Refused, charged
from master.quota.registry import IGNORED, evaluator_of
from proto.k8s.quantity import parse

ORDER = 950
_QUOTAS = ResourceRef("", "v1", "resourcequotas")
_ATTEMPTS = 5
_RETRY_SECONDS = 0.01


@dataclass(slots=True, eq=False)
class _Waiter:
    request: AdmissionRequest
    obj: Json
    evaluator: Evaluator
    growth: dict[str, str]
    settled: bool = False
    error: StatusError | None = None


@dataclass(slots=True)
class _Namespace:
    """Whoever waits for the quotas of one namespace."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[_Waiter] = field(default_factory=list)
    users: int = 0


class ResourceQuota:
    def __init__(self, reader: ObjectReader, writer: ObjectWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._namespaces: dict[str, _Namespace] = {}

    async def validate(self, request: AdmissionRequest, obj: Json) -> None:
        resource = request.resource
        if not request.namespace or request.operation == "DELETE" or (resource.group, resource.plural) in IGNORED:
            return
        evaluator = evaluator_of(resource.group, resource.plural)
        if not evaluator.handles(request.operation, request.subresource):
            return
        if not await self._reader.read_all("", _QUOTAS.plural, request.namespace):
            return
        growth = evaluator.usage(obj)
        if negative := sorted(name for name, text in growth.items() if parse(text) < 0):
            why = f"quota usage is negative for resource(s): {','.join(negative)}"
            raise forbidden(resource.plural, resource.group, request.name, why)
        if request.old is not None:
            growth = grown(growth, evaluator.usage(request.old))
        if growth := not_zero(growth):
            await self._wait(_Waiter(request, obj, evaluator, growth))

    async def _wait(self, waiter: _Waiter) -> None:
        name = waiter.request.namespace
        namespace = self._namespaces.setdefault(name, _Namespace())
        namespace.users += 1
        namespace.waiting.append(waiter)
        try:
            async with namespace.lock:
                if not waiter.settled:
                    batch, namespace.waiting = namespace.waiting, []
                    try:
                        await self._settle(name, batch)
                    finally:
                        # Cancelled half-way: the next in turn settles the others.
                        namespace.waiting[:0] = [one for one in batch if not one.settled and one is not waiter]
        finally:
            namespace.users -= 1
            if waiter in namespace.waiting:
                namespace.waiting.remove(waiter)
            if not namespace.users:
                self._namespaces.pop(name, None)
        if waiter.error is not None:
            raise waiter.error

    async def _settle(self, namespace: str, batch: list[_Waiter]) -> None:
        """Check and charge all that wait. An error of the store is everybody's."""
        try:
            only: set[str] | None = None
            for attempt in range(_ATTEMPTS):
                if attempt:
                    await asyncio.sleep(_RETRY_SECONDS)
                quotas = await self._reader.read_all("", _QUOTAS.plural, namespace)
                considered = [quota for quota in quotas if only is None or quota["metadata"]["name"] in only]
                changed = _check(considered, batch)
                only = await self._write(namespace, changed, last=attempt == _ATTEMPTS - 1)
                if not only:
                    break
        except StatusError as error:
            for waiter in batch:
                waiter.error = waiter.error or error
        for waiter in batch:
            waiter.settled = True

    async def _write(self, namespace: str, changed: list[Json], *, last: bool) -> set[str]:
        """The names of those that another writer had changed. Raises its StatusError 409 when there is no other attempt."""
        behind: set[str] = set()
        for quota in changed:
            name = quota["metadata"]["name"]
            try:
                await self._writer.update(_QUOTAS, namespace, name, quota, subresource="status")
            except StatusError as error:
                if error.reason == "NotFound":
                    continue
                if error.reason != "Conflict" or last:
                    raise
                behind.add(name)
        return behind


def _check(quotas: list[Json], batch: list[_Waiter]) -> list[Json]:
    """Charge each waiter to the quotas, which are changed, or say why not. Returns the quotas that were charged."""
    changed: dict[str, Json] = {}
    for waiter in batch:
        if waiter.error is not None:
            continue
        request = waiter.request
        try:
            used = {
                quota["metadata"]["name"]: (quota, after)
                for quota in quotas
                if (after := charged(quota, waiter.evaluator, waiter.obj, waiter.growth)) is not None
            }
        except Refused as refusal:
            waiter.error = forbidden(request.resource.plural, request.resource.group, request.name, str(refusal))
            continue
        if request.dry_run:
            continue
        for name, (quota, after) in used.items():
            quota["status"]["used"] = after
            changed[name] = quota
    return list(changed.values())


def validating(context: AdmissionContext) -> ValidatingPlugin:
    return ResourceQuota(context.reader, context.writer)
