"""The API's verbs as one node may use them, without HTTP: what the fleet does on a node's behalf is admitted as its own.

Made by `master.app`. Admission sees the node as the user (NodeRestriction and what else looks at users); the node authoriser
is not asked: who is given this decides which verbs it offers.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from master.api.auth.node.identity import NODES
from master.api.auth.protocol import UserInfo
from master.api.registry.registry import Registry
from master.api.registry.write_options import WriteOptions
from master.client.protocol import DeleteOptions, Json, PatchType, RawEvent, RawList, ResourceRef


class NodeVerbs:
    """As `master.client.protocol.Verbs`. node: its name."""

    def __init__(self, registry: Registry, node: str) -> None:
        self._registry = registry
        user = UserInfo(f"system:node:{node}", groups=(NODES, "system:authenticated"))
        self._options = WriteOptions(user=user, field_manager="kubelet")

    async def get(self, resource: ResourceRef, namespace: str, name: str) -> bytes:
        return await self._registry.get(resource, namespace, name)

    async def list(
        self, resource: ResourceRef, namespace: str, *, label_selector: str = "", field_selector: str = ""
    ) -> RawList:
        return await self._registry.list(resource, namespace, label_selector=label_selector, field_selector=field_selector)

    def watch(
        self,
        resource: ResourceRef,
        namespace: str,
        *,
        revision: int,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[Sequence[RawEvent]]:
        return self._registry.watch(
            resource, namespace, revision=revision, label_selector=label_selector, field_selector=field_selector
        )

    async def create(self, resource: ResourceRef, namespace: str, body: Json) -> bytes:
        return await self._registry.create(resource, namespace, body, self._options)

    async def update(self, resource: ResourceRef, namespace: str, name: str, body: Json, *, subresource: str = "") -> bytes:
        return await self._registry.update(resource, namespace, name, body, self._options, subresource=subresource)

    async def patch(
        self,
        resource: ResourceRef,
        namespace: str,
        name: str,
        patch_type: PatchType,
        body: Any,
        *,
        subresource: str = "",
    ) -> bytes:
        return await self._registry.patch(resource, namespace, name, patch_type, body, self._options, subresource=subresource)

    async def delete(self, resource: ResourceRef, namespace: str, name: str, options: DeleteOptions) -> bytes:
        return await self._registry.delete(resource, namespace, name, options, user=self._options.user)
