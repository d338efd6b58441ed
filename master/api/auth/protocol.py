"""The seams of authentication and authorisation: users, token authenticators, authorisers.

Kubernetes' words: a `UserInfo` comes out of authentication; `Attributes` describe one request; an authoriser allows it or has
no opinion, and what nobody allows is forbidden.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import msgspec

ANONYMOUS = "system:anonymous"
MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
BOOTSTRAPPERS = "system:bootstrappers"


class UserInfo(msgspec.Struct, frozen=True, gc=False):
    """An authenticated user. Every one is in group system:authenticated, except the anonymous one."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, Sequence[str]] = msgspec.field(default_factory=dict)


ANONYMOUS_USER = UserInfo(ANONYMOUS, groups=(UNAUTHENTICATED,))


class Attributes(msgspec.Struct, frozen=True, gc=False):
    """What one request wants. For a path that is no resource, `path` is set and the fields of a resource are empty."""

    user: UserInfo
    verb: str
    path: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    #: Of a list or watch, as the query has it.
    field_selector: str = ""

    @property
    def is_resource(self) -> bool:
        return bool(self.resource)


def exact_matches(field_selector: str) -> dict[str, str]:
    """The fields that a field selector wants to have exactly one value, and that value."""
    found: dict[str, str] = {}
    for term in field_selector.split(","):
        key, equals, value = term.partition("=")
        if equals and not key.endswith("!"):
            found[key.strip()] = value.removeprefix("=")
    return found


class TokenAuthenticator(Protocol):
    """Turns a bearer token into a user."""

    async def authenticate(self, token: str) -> UserInfo | None:
        """The token's user; None when the token is not this authenticator's or is no longer valid."""
        ...


class TokenRefused(Exception):
    """A token of a sort that is known, which is not (or no longer) good. The text is for TokenReview; it quotes no token."""


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Whom a token is for, and which of the wanted audiences it is meant for."""

    user: UserInfo
    audiences: tuple[str, ...]


@runtime_checkable
class AudienceTokenAuthenticator(TokenAuthenticator, Protocol):
    """One whose tokens say for whom they are meant."""

    async def authenticate_for(self, token: str, audiences: Sequence[str]) -> Authenticated | None:
        """For these audiences instead of the API's own; None for a token that is not this one's. Raises TokenRefused."""
        ...


@dataclass(frozen=True, slots=True)
class Decision:
    """What an authoriser says of one request: allowed, or no opinion. `reason`: why, for reviews and for the refusal."""

    allowed: bool
    reason: str = ""


NO_OPINION = Decision(False)


@dataclass(frozen=True, slots=True)
class RuleList:
    """What a user may in a namespace, as authorization.k8s.io shows it.

    `incomplete`: an authoriser allows more than it can list; `errors`: what could not be looked up.
    """

    resource: list[dict[str, Any]] = field(default_factory=list)
    non_resource: list[dict[str, Any]] = field(default_factory=list)
    incomplete: bool = False
    errors: list[str] = field(default_factory=list)


class Authorizer(Protocol):
    """Allows requests; asked in order until one allows. Neither method waits: every request passes here."""

    def authorize(self, attributes: Attributes) -> Decision:
        """Allowed, or no opinion."""
        ...

    def rules_for(self, user: UserInfo, namespace: str) -> RuleList:
        """What it would allow this user in a namespace."""
        ...
