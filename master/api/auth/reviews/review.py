"""What a review is: a declaration for discovery and OpenAPI, and the function that answers it.

A file of this folder declares one `REVIEW`; `registry` finds it. `master.api.http.reviews` decodes and checks the body by the
kind's schema before it asks, and encodes the answer.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from master.api.admission.protocol import ObjectReader
from master.api.auth.authentication import Authentication
from master.api.auth.authorization import Authorization
from master.api.auth.protocol import UserInfo
from master.api.auth.service_account.token_requests import TokenRequests
from master.api.kinds.kind import Kind
from master.api.registry.write_options import Warn, WriteOptions, unheard
from master.client.protocol import Json, ResourceRef


class Admit(Protocol):
    """Admission for what is created below an object and never stored; see `Registry.admit`."""

    async def __call__(
        self, resource: ResourceRef, namespace: str, name: str, obj: Json, options: WriteOptions, *, subresource: str
    ) -> None:
        """Raises StatusError."""
        ...


class Bind(Protocol):
    """Gives a pod the node that a Binding names; see `master.api.registry.strategies.binding`."""

    async def __call__(self, namespace: str, name: str, binding: Json, options: WriteOptions) -> Json:
        """The Status to answer. Raises StatusError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewContext:
    """What answers are made from; the same for every review of one API server."""

    authorization: Authorization
    authentication: Authentication
    reader: ObjectReader
    admit: Admit
    bind: Bind
    #: None: this server has no keys to sign tokens with.
    tokens: TokenRequests | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRequest:
    """One review. `body` is normalised and has apiVersion, kind and metadata; it is the answer's to change.

    `namespace`: of the path, "" for a cluster-scoped review. `name`: of the object that a subresource's review is about.
    `warn` tells the client something beside the answer.
    """

    user: UserInfo
    namespace: str
    name: str
    body: Json
    dry_run: bool
    context: ReviewContext
    warn: Warn = unheard


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """`kind`: its names, scope and definition, with create as the only verb.

    `subresource_of`: the group, version and plural of the kind that has it as a subresource (serviceaccounts/token), whose
    name is the kind's plural then; discovery lists such a one with that kind.
    `respond`: the review with its status. Raises StatusError.
    """

    kind: Kind
    respond: Callable[[ReviewRequest], Awaitable[Json]]
    subresource_of: tuple[str, str, str] | None = None


def review_kind(group: str, kind: str, *, namespaced: bool = False, version: str = "v1") -> Kind:
    """The declaration of a review: group "authorization.k8s.io", kind "SelfSubjectAccessReview"."""
    return Kind(
        group=group,
        version=version,
        kind=kind,
        plural=kind.lower() + "s",
        singular=kind.lower(),
        definition=f"io.k8s.api.{group.partition('.')[0]}.{version}.{kind}",
        namespaced=namespaced,
        verbs=("create",),
    )
