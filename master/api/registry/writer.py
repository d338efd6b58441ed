"""Writer: the last mile of a write, below the verbs: admit, validate, reserve, compare-and-set, settle.

Called by `Registry` with objects that are complete. One call is one attempt: who calls tries again on the store's Conflict.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from master.api.admission.protocol import AdmissionRequest
from master.api.allocation.protocol import Allocator, Reservation
from master.api.kinds.kind import Kind
from master.api.registry import deletion
from master.api.registry.admitting import Admitting, ChangedObject, Form, NewObject, SentBody, write_options
from master.api.registry.field_ownership import FieldOwnership
from master.api.registry.large_writes import LargeWrites
from master.api.registry.metadata import generated_name
from master.api.registry.storage import Storage, Stored, encode, key_of
from master.api.registry.strategies.strategy import Strategy
from master.api.registry.write_options import Check, WriteOptions
from master.client.errors import Cause, StatusError, invalid
from master.client.protocol import Json, ResourceRef
from master.store.protocol import Conflict

#: How often another name is generated when the one generated is taken (KEP-4420).
_NAME_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Applied:
    """An apply has settled already who owns what: the managedFields of its object."""

    owners: Any


class Writer:
    def __init__(
        self,
        storage: Storage,
        *,
        ownership: FieldOwnership,
        admitting: Admitting,
        large: LargeWrites,
        allocators: Mapping[ResourceRef, Allocator],
        normalize: Check,
    ) -> None:
        """`normalize`: brings what dynamic admission made of an object into the form of its schema."""
        self._storage = storage
        self._ownership = ownership
        self._admitting = admitting
        self._large = large
        self._allocators = allocators
        self._normalized = normalize

    async def create(
        self, kind: Kind, namespace: str, obj: Json, options: WriteOptions, *, prefix: str = "", size: int = 0
    ) -> bytes:
        """Admit, validate and store a new object that is complete. `prefix`: its name was generated from it.

        `size`: its bytes, roughly.
        """
        name, owners = obj["metadata"].get("name", ""), obj["metadata"].get("managedFields")
        request = AdmissionRequest(
            "CREATE",
            kind.resource,
            kind.kind,
            namespace,
            name,
            user=options.user,
            dry_run=options.dry_run,
            warn=options.warn,
        )
        made = obj
        obj, seen = await self._admitting.mutate(
            request,
            obj,
            lambda: NewObject(kind, namespace, made, self._normalized, generated=bool(prefix)),
            lambda: write_options("CreateOptions", options),
        )
        self._ownership.admitted(obj, owners, options.warn)
        kind.derive(obj)
        causes = await self._causes(kind, size, options, lambda: kind.validate(obj, None))
        if causes:
            raise invalid(kind.kind, kind.group, name, causes)
        for warning in kind.warnings(obj, None):
            options.warn(warning)
        await self._admitting.validate(request, obj, seen)
        for attempt in range(_NAME_ATTEMPTS):
            try:
                return (await self._store_new(kind, obj, dry_run=options.dry_run)).encoded()
            except StatusError as error:
                if not prefix or error.reason != "AlreadyExists" or attempt == _NAME_ATTEMPTS - 1:
                    raise
                obj["metadata"]["name"] = generated_name(prefix)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def write(
        self,
        kind: Kind,
        strategy: Strategy,
        subresource: str,
        stored: Stored,
        body: Json,
        options: WriteOptions,
        applied: Applied | None = None,
        *,
        size: int = 0,
    ) -> bytes:
        """One attempt to bring a body into an object. `size`: bytes of the body. Raises the store's Conflict."""
        old = stored.obj
        sent, body = _without_owners(body)
        size = max(size, stored.size)

        def merged() -> Json:
            obj = strategy.merge(kind, old, body)
            if applied is not None:
                self._ownership.set_applied(kind, subresource, old, obj, applied.owners)
            elif subresource == "scale":
                self._ownership.scaled(kind, strategy, old, obj, options)
            else:
                self._ownership.updated(kind, subresource, old, obj, sent, options)
            return obj

        obj = await self._large.run(size, options.user, merged)
        metadata = obj["metadata"]
        name, owners = metadata["name"], metadata.get("managedFields")
        request = AdmissionRequest(
            "UPDATE",
            kind.resource,
            kind.kind,
            metadata.get("namespace", ""),
            name,
            subresource,
            old,
            user=options.user,
            dry_run=options.dry_run,
            warn=options.warn,
        )
        obj, seen = await self._admitting.mutate(
            request,
            obj,
            lambda: self._form(kind, strategy, subresource, old, body),
            lambda: write_options("UpdateOptions", options),
        )
        self._ownership.admitted(obj, owners, options.warn)
        causes = await self._causes(kind, size, options, lambda: strategy.validate(kind, obj, old))
        if causes:
            raise invalid(kind.kind, kind.group, name, causes)
        if not subresource:
            for warning in kind.warnings(obj, old):
                options.warn(warning)
        await self._admitting.validate(request, obj, seen)
        reservation = self._reserve(kind, obj, old) if not subresource else None
        if options.dry_run or obj == old:
            if reservation:
                reservation.rollback()
            return encode(strategy.view(kind, obj))
        if deletion.is_complete(kind, obj):
            if reservation:
                reservation.rollback()
            await self.remove(kind, stored)
            return encode(strategy.view(kind, obj))
        written = await self._settled(kind, obj, reservation, expected=stored.revision)
        view = strategy.view(kind, written.obj)
        return written.encoded() if view is written.obj else encode(view)

    async def remove(self, kind: Kind, stored: Stored) -> None:
        """Remove an object and what was allocated for it. Raises the store's Conflict."""
        metadata = stored.obj["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        await self._storage.remove(kind, namespace, name, expected=stored.revision)
        allocator = self._allocators.get(kind.storage)
        if allocator:
            allocator.release(key_of(kind, namespace, name))

    async def _store_new(self, kind: Kind, obj: Json, *, dry_run: bool) -> Stored:
        reservation = self._reserve(kind, obj, None)
        if dry_run:
            if reservation:
                reservation.rollback()
            return Stored(obj, 0)
        return await self._settled(kind, obj, reservation, expected=0)

    def _form(self, kind: Kind, strategy: Strategy, subresource: str, old: Json, body: Json) -> Form:
        """How dynamic admission sees an update."""
        if subresource == "binding":
            return SentBody(kind, strategy, old, self._normalized, body)
        return ChangedObject(kind, strategy, old, self._normalized)

    async def _settled(self, kind: Kind, obj: Json, reservation: Reservation | None, *, expected: int) -> Stored:
        """Write an object and settle what was reserved for it.

        Cancelled half-way, nobody knows whether it was stored: then what was reserved stays so until the next start.
        """
        try:
            if expected == 0:
                written = await self._storage.create(kind, obj)
            else:
                written = await self._storage.replace(kind, obj, expected=expected)
        except (Conflict, StatusError):
            if reservation:
                reservation.rollback()
            raise
        if reservation:
            reservation.commit()
        return written

    async def _causes(
        self, kind: Kind, size: int, options: WriteOptions, validate: Callable[[], Sequence[Cause]]
    ) -> Sequence[Cause]:
        """The errors of an object; found in a thread where rules of users are evaluated, or when it is large."""
        if kind.in_thread:
            return await asyncio.to_thread(validate)
        return await self._large.run(size, options.user, validate)

    def _reserve(self, kind: Kind, obj: Json, old: Json | None) -> Reservation | None:
        allocator = self._allocators.get(kind.storage)
        if allocator is None:
            return None
        metadata = obj["metadata"]
        return allocator.reserve(key_of(kind, metadata.get("namespace", ""), metadata["name"]), obj, old)


def _without_owners(body: Json) -> tuple[Any, Json]:
    """The managedFields of a body, and the body without them: they are most of it, and strategies copy all of it."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return None, body
    kept = {name: value for name, value in metadata.items() if name != "managedFields"}
    return metadata["managedFields"], {**body, "metadata": kept}
