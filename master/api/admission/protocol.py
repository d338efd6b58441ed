"""The seam of admission: what a plugin is given and must offer.

Two phases, as in kube-apiserver: mutating plugins change the object before the kind validates it; validating plugins see what
is going to be stored and may only refuse it. Each module in `plugins` has `ORDER: int` (lower runs first) and one or both of
the factories `mutating` and `validating`, which make its plugin of an `AdmissionContext`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

import msgspec

from master.api.auth.authorization import Authorization
from master.api.auth.protocol import UserInfo
from master.api.auth.rbac.index import RbacIndex
from master.api.registry.write_options import IN_PROCESS, MASTER_USER, Warn, WriteOptions, unheard
from master.client.protocol import Json, ResourceRef

T = TypeVar("T")
Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


class AdmissionRequest(msgspec.Struct, frozen=True):
    """One write. `old` is None for a creation; `name` is "" when it will be generated; `user` is who writes.

    `warn` tells the client something without refusing its write.
    """

    operation: Operation
    resource: ResourceRef
    kind: str
    namespace: str
    name: str
    subresource: str = ""
    old: Json | None = None
    user: UserInfo = MASTER_USER
    dry_run: bool = False
    warn: Warn = unheard


class ObjectReader(Protocol):
    """Reads other objects that a decision needs."""

    async def read(self, group: str, plural: str, namespace: str, name: str) -> Json | None:
        """The newest known version, or None. The caller's own."""
        ...

    async def read_all(self, group: str, plural: str, namespace: str = "") -> Sequence[Json]:
        """The newest known version of all objects of a namespace, or of all namespaces. The caller's own."""
        ...


class ObjectLookup(ObjectReader, Protocol):
    """Reads what every write asks again: what is made of an object is kept until the object changes.

    `make` is a function of its argument alone, the same one at each call. What it returns is shared: never changed by anybody.
    """

    async def lookup(self, group: str, plural: str, namespace: str, name: str, make: Callable[[Json], T]) -> T | None:
        """What `make` makes of the newest known version, or None."""
        ...

    async def lookup_all(self, group: str, plural: str, namespace: str, make: Callable[[Json], T]) -> Sequence[T]:
        """The same of all objects of a namespace, or of all namespaces."""
        ...


class ObjectWriter(Protocol):
    """Writes other objects that a decision changes: a quota's usage. The registry itself."""

    async def update(
        self,
        resource: ResourceRef,
        namespace: str,
        name: str,
        body: Json,
        options: WriteOptions = IN_PROCESS,
        *,
        subresource: str = "",
    ) -> bytes:
        """Compare-and-set when the body has metadata.resourceVersion. Raises StatusError, 409 when the object is newer."""
        ...


class MutatingPlugin(Protocol):
    """One admission rule. Idempotent: a write that is tried again passes twice."""

    async def admit(self, request: AdmissionRequest, obj: Json) -> None:
        """Change `obj` in place or raise StatusError. For DELETE, `obj` is what is going to be deleted: do not change it."""
        ...


class ValidatingPlugin(Protocol):
    """One admission rule that never changes the object. Asked after the kind's own validation."""

    async def validate(self, request: AdmissionRequest, obj: Json) -> None:
        """Raise StatusError to refuse. For DELETE, `obj` is what is going to be deleted."""
        ...


def _masters_only() -> Authorization:
    return Authorization(RbacIndex())


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionContext:
    """What plugins are made with. `authorization`: who else may do what; without roles that is system:masters alone."""

    reader: ObjectLookup
    writer: ObjectWriter
    authorization: Authorization = field(default_factory=_masters_only)
