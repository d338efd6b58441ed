"""Claims: which objects a controller's object manages, adopting orphans that its selector matches and releasing others.

Used by the Deployment controller for ReplicaSets and by the ReplicaSet controller for pods. A claim is a patch of
metadata.ownerReferences that carries the object's uid, so that it never lands on another object of the same name.
Source: https://github.com/kubernetes/design-proposals-archive/blob/main/api-machinery/controller-ref.md
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec
from lightkube.core.resource import NamespacedResource, Resource
from lightkube.models.meta_v1 import LabelSelector, OwnerReference

from master.client.errors import StatusError
from master.client.protocol import Client
from master.controllers.objects.metadata import (
    controller_of,
    controller_reference,
    labels_of,
    meta,
    name_of,
    namespace_of,
    terminating,
    uid_of,
)
from master.controllers.objects.selectors import matches

C = TypeVar("C", bound=NamespacedResource)


class Claims:
    """The claims of one owner during one reconcile."""

    def __init__(self, client: Client, owner: NamespacedResource, selector: LabelSelector) -> None:
        self._client = client
        self._owner = owner
        self._selector = selector
        self._may_adopt: bool | None = None

    async def claim(self, kind: type[C], objects: Iterable[C]) -> list[C]:
        """The objects that the owner manages now. Raises StatusError when a claim failed for another reason than a race."""
        return [claimed for obj in objects if (claimed := await self._claim(kind, obj)) is not None]

    async def _claim(self, kind: type[C], obj: C) -> C | None:
        reference = controller_of(obj)
        matched = matches(self._selector, labels_of(obj))
        if reference is not None:
            if reference.uid != uid_of(self._owner):
                return None
            if matched:
                return obj
            if not terminating(self._owner):
                await self._release(kind, obj)
            return None
        if not matched or terminating(self._owner) or terminating(obj):
            return None
        return await self._adopt(kind, obj)

    async def _adopt(self, kind: type[C], obj: C) -> C | None:
        if not await self._owner_lives():
            return None
        references = [*(meta(obj).ownerReferences or ()), controller_reference(self._owner)]
        return await self._patch(kind, obj, references)

    async def _release(self, kind: type[C], obj: C) -> None:
        references = [r for r in meta(obj).ownerReferences or () if r.uid != uid_of(self._owner)]
        await self._patch(kind, obj, references)

    async def _patch(self, kind: type[C], obj: C, references: list[OwnerReference]) -> C | None:
        patch = {
            "metadata": {
                "uid": uid_of(obj),
                "resourceVersion": meta(obj).resourceVersion,
                "ownerReferences": msgspec.to_builtins(references),
            }
        }
        try:
            return await self._client.patch(kind, name_of(obj), namespace_of(obj), patch)
        except StatusError as error:
            if error.code == 404:
                return None
            raise

    async def _owner_lives(self) -> bool:
        """Asked of the API itself, once per reconcile: the cache may not know yet that the owner is being deleted."""
        if self._may_adopt is None:
            owner: type[Resource] = type(self._owner)
            try:
                fresh = await self._client.get(owner, name_of(self._owner), namespace_of(self._owner))
            except StatusError as error:
                if error.code != 404:
                    raise
                self._may_adopt = False
            else:
                self._may_adopt = uid_of(fresh) == uid_of(self._owner) and not terminating(fresh)
        return self._may_adopt
