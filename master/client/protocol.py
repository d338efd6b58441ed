"""How controllers, scheduler and fleet reach the API: typed objects, Kubernetes' verbs, StatusError on failure.

`Client` is what they are given. `Verbs` is what the API offers below it: JSON in, encoded JSON out, so that a typed reader
decodes each object once, straight into its type. In process the API's registry is the Verbs (see `master.client.local`);
over HTTPS another implementation can take its place. Types are lightkube's resources (`lightkube.resources.core_v1.Pod`).

Objects that a client or an informer returns are shared: never mutate one, make a copy (`msgspec.structs.replace` or
`copy.deepcopy`).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

import msgspec
from lightkube.core.resource import Resource

Json = dict[str, Any]
R = TypeVar("R", bound=Resource)

PatchType = Literal[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
]
WatchType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


class ResourceRef(msgspec.Struct, frozen=True, gc=False):
    """Which collection of the API: group ("" for core), version, plural."""

    group: str
    version: str
    plural: str


@dataclass(frozen=True, slots=True)
class RawList:
    """Encoded objects and the revision that they are as of."""

    items: Sequence[bytes]
    revision: int


@dataclass(frozen=True, slots=True)
class RawEvent:
    """A watch event with its object encoded. A bookmark's object holds only metadata.resourceVersion."""

    type: WatchType
    object: bytes
    revision: int


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """metav1.DeleteOptions. `uid` and `resource_version` are preconditions."""

    grace_period_seconds: int | None = None
    propagation_policy: Literal["Orphan", "Background", "Foreground"] | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False


class Verbs(Protocol):
    """The API's verbs below HTTP, after authentication and authorisation; admission and validation included.

    `namespace` is "" for a cluster-scoped resource, and for all namespaces in list and watch. Errors: StatusError.
    """

    async def get(self, resource: ResourceRef, namespace: str, name: str) -> bytes: ...

    async def list(
        self, resource: ResourceRef, namespace: str, *, label_selector: str = "", field_selector: str = ""
    ) -> RawList: ...

    def watch(
        self,
        resource: ResourceRef,
        namespace: str,
        *,
        revision: int,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[Sequence[RawEvent]]:
        """Events after `revision`, in batches. Raises StatusError 410 when that is too old or the watcher too slow."""
        ...

    async def create(self, resource: ResourceRef, namespace: str, body: Json) -> bytes: ...

    async def update(
        self, resource: ResourceRef, namespace: str, name: str, body: Json, *, subresource: str = ""
    ) -> bytes: ...

    async def patch(
        self,
        resource: ResourceRef,
        namespace: str,
        name: str,
        patch_type: PatchType,
        body: Any,
        *,
        subresource: str = "",
    ) -> bytes: ...

    async def delete(self, resource: ResourceRef, namespace: str, name: str, options: DeleteOptions) -> bytes: ...


class Client(Protocol):
    """Typed access to the API. Every method raises StatusError.

    `namespace` may be omitted for cluster-scoped types, and in `list` for all namespaces. Writes take the object's own
    namespace and name; `replace` and `replace_status` compare its resourceVersion when it has one.
    """

    async def get(self, kind: type[R], name: str, namespace: str = "") -> R: ...

    async def list(
        self,
        kind: type[R],
        namespace: str = "",
        *,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> Sequence[R]: ...

    async def create(self, obj: R) -> R: ...

    async def replace(self, obj: R) -> R: ...

    async def replace_status(self, obj: R) -> R: ...

    async def patch(
        self,
        kind: type[R],
        name: str,
        namespace: str,
        patch: Any,
        *,
        patch_type: PatchType = "application/merge-patch+json",
        subresource: str = "",
    ) -> R: ...

    async def delete(
        self, kind: type[Resource], name: str, namespace: str = "", options: DeleteOptions | None = None
    ) -> None: ...

    async def bind(self, pod_name: str, namespace: str, uid: str, node: str) -> None:
        """Bind a pod to a node through the binding subresource; 409 when it is bound already."""
        ...
