"""PolicyStatus: writes each policy's status: the generation that was looked at, and what type checking found.

Runs beside the API (`master.api.build`). A policy works before its status is written: this is for whoever wrote it.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Protocol

from master.api.kinds.kind import Kind
from master.api.schema.schemas import Schemas
from master.client.errors import StatusError
from master.client.protocol import Json, ResourceRef
from master.store.cache import WatchCache
from master.store.protocol import Compacted

_log = logging.getLogger(__name__)
_POLICIES = ResourceRef("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies")
_PREFIX = f"/registry/{_POLICIES.group}/{_POLICIES.plural}/"
_AGAIN_SECONDS = 5.0


class Writer(Protocol):
    """The registry."""

    async def update(
        self, resource: ResourceRef, namespace: str, name: str, body: Json, *, subresource: str = ""
    ) -> bytes: ...


class PolicyStatus:
    """`kinds`: all that are served, now."""

    def __init__(self, cache: WatchCache, kinds: Iterable[Kind], schemas: Schemas, writer: Writer) -> None:
        self._cache = cache
        self._kinds = kinds
        self._schemas = schemas
        self._writer = writer
        self._again: set[str] = set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._follow()
            except Compacted:
                _log.info("admission policies are read anew")

    async def _follow(self) -> None:
        found, revision = self._cache.list(_PREFIX)
        with self._cache.watch(_PREFIX, revision) as watch:
            await self._look_at({cached.name for cached in found})
            while True:
                try:
                    async with asyncio.timeout(_AGAIN_SECONDS if self._again else None):
                        names = {event.object.name for event in await anext(watch)}
                except TimeoutError:
                    names, self._again = self._again, set()
                await self._look_at(names)

    async def _look_at(self, names: set[str]) -> None:
        for name in sorted(names):
            try:
                await self._reconcile(name)
            except StatusError as error:
                if error.code != 404:
                    self._again.add(name)
            except Exception:  # noqa: BLE001 - one odd policy must not end all others
                _log.exception("bug while checking an admission policy", extra={"policy": name})

    async def _reconcile(self, name: str) -> None:
        cached = self._cache.get(f"{_PREFIX}-/{name}")
        if cached is None:
            return
        policy = cached.decode()
        generation = policy["metadata"].get("generation", 1)
        status = policy.get("status") or {}
        if status.get("observedGeneration") == generation:
            return
        warnings = await asyncio.to_thread(self._warnings, policy.get("spec") or {})
        checked = {"expressionWarnings": warnings} if warnings else {}
        changed = {**policy, "status": {**status, "observedGeneration": generation, "typeChecking": checked}}
        await self._writer.update(_POLICIES, "", name, changed, subresource="status")

    def _warnings(self, spec: Json) -> list[Json]:
        # The engine is imported when somebody has a policy; the types are made for the check and forgotten after it.
        from master.api.admission.dynamic.policies.object_types import ObjectTypes
        from master.api.admission.dynamic.policies.type_checking import expression_warnings

        return list(expression_warnings(spec, tuple(self._kinds), ObjectTypes(self._schemas)))
