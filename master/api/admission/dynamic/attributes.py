"""Attributes: one operation as webhooks and policies see it (admission.Attributes of k8s.io/apiserver)."""

from dataclasses import dataclass, replace

from master.api.admission.protocol import Operation
from master.api.auth.protocol import UserInfo
from master.api.registry.write_options import Warn
from master.client.protocol import Json, ResourceRef


@dataclass(frozen=True, slots=True)
class GroupVersionKind:
    group: str
    version: str
    kind: str

    @classmethod
    def of(cls, api_version: str, kind: str) -> "GroupVersionKind":
        group, _, version = api_version.rpartition("/")
        return cls(group, version, kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """`kind` is that of `object`: of a subresource with an own one (Scale, PodExecOptions), not the parent's.

    `object` is None for DELETE, `old` for CREATE and CONNECT. Neither is changed by anybody. `namespace` of a request for a
    namespace itself is its name. `name` is "" while it is to be generated.
    """

    operation: Operation
    resource: ResourceRef
    subresource: str
    kind: GroupVersionKind
    namespace: str
    name: str
    object: Json | None
    old: Json | None
    options: Json | None
    user: UserInfo
    dry_run: bool
    warn: Warn

    def with_object(self, obj: Json) -> "Attributes":
        return replace(self, object=obj)
