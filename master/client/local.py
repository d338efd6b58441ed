"""LocalClient: the typed client of what runs inside the master; it calls the API's registry without HTTP between them.

Built by `master.app`, given to controllers, scheduler and fleet as `master.client.protocol.Client`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from lightkube.core.resource import Resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Pod

from master.client.kinds import decode, resource_ref
from master.client.protocol import DeleteOptions, Json, PatchType, R, Verbs
from master.client.selectors import format_fields, format_labels

_NO_OPTIONS = DeleteOptions()


def _metadata(obj: Resource) -> ObjectMeta:
    metadata: ObjectMeta | None = getattr(obj, "metadata", None)
    if metadata is None:
        raise ValueError(f"{type(obj).__name__} without metadata")
    return metadata


def _body(obj: Resource) -> Json:
    body: Json = msgspec.to_builtins(obj)
    return body


class LocalClient:
    """Typed objects over `Verbs`. Writes send the whole object: absent fields are removed, so read it first."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    async def get(self, kind: type[R], name: str, namespace: str = "") -> R:
        return decode(kind, await self._verbs.get(resource_ref(kind), namespace, name))

    async def list(
        self,
        kind: type[R],
        namespace: str = "",
        *,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> Sequence[R]:
        found = await self._verbs.list(
            resource_ref(kind),
            namespace,
            label_selector=format_labels(labels or {}),
            field_selector=format_fields(fields or {}),
        )
        return [decode(kind, item) for item in found.items]

    async def create(self, obj: R) -> R:
        kind = type(obj)
        namespace = _metadata(obj).namespace or ""
        return decode(kind, await self._verbs.create(resource_ref(kind), namespace, _body(obj)))

    async def replace(self, obj: R) -> R:
        return await self._update(obj, "")

    async def replace_status(self, obj: R) -> R:
        return await self._update(obj, "status")

    async def _update(self, obj: R, subresource: str) -> R:
        kind, metadata = type(obj), _metadata(obj)
        namespace, name = metadata.namespace or "", metadata.name or ""
        return decode(kind, await self._verbs.update(resource_ref(kind), namespace, name, _body(obj), subresource=subresource))

    async def patch(
        self,
        kind: type[R],
        name: str,
        namespace: str,
        patch: Any,
        *,
        patch_type: PatchType = "application/merge-patch+json",
        subresource: str = "",
    ) -> R:
        body = msgspec.to_builtins(patch)
        encoded = await self._verbs.patch(resource_ref(kind), namespace, name, patch_type, body, subresource=subresource)
        return decode(kind, encoded)

    async def delete(self, kind: type[Resource], name: str, namespace: str = "", options: DeleteOptions | None = None) -> None:
        await self._verbs.delete(resource_ref(kind), namespace, name, options or _NO_OPTIONS)

    async def bind(self, pod_name: str, namespace: str, uid: str, node: str) -> None:
        binding: Json = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod_name, "namespace": namespace, "uid": uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        await self._verbs.update(resource_ref(Pod), namespace, pod_name, binding, subresource="binding")
