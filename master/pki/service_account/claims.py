"""What stands in a service account token, exactly as Kubernetes writes and reads it (pkg/serviceaccount/claims.go, legacy.go).

Two forms: bound tokens with audience and expiry, and legacy ones that stand in a Secret and live as long as it. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

Json = dict[str, Any]

#: What the ServiceAccount admission asks for: after it a token for the API counts as stale, but works (see EXTENDED_SECONDS).
WARN_ONLY_SECONDS = 3607
#: How long such a pod's token for the API really lives: a year, so that a client that never reads its file again goes on.
EXTENDED_SECONDS = 365 * 24 * 3600
#: Bounds of spec.expirationSeconds of a TokenRequest.
MIN_SECONDS, MAX_SECONDS = 600, 1 << 32
LEGACY_ISSUER = "kubernetes/serviceaccount"

_USER_PREFIX = "system:serviceaccount:"


class MalformedClaims(ValueError):
    """A signed token whose claims are none of ours."""


@dataclass(frozen=True, slots=True)
class Ref:
    """An object that a token names, by name and uid."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Account:
    """The account that a token is for."""

    namespace: str
    name: str
    uid: str

    @property
    def user(self) -> str:
        return f"{_USER_PREFIX}{self.namespace}:{self.name}"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a token is bound to: a pod (and its node), a node, or a Secret. It ends with that."""

    pod: Ref | None = None
    node: Ref | None = None
    secret: Ref | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """A bound token's claims. Times are seconds since the epoch; `warn_after` 0: none; `identity`: the jti, "" in old ones."""

    issuer: str
    account: Account
    audiences: tuple[str, ...]
    issued_at: int
    not_before: int
    expires: int
    bound: Bound = Bound()
    warn_after: int = 0
    identity: str = ""


@dataclass(frozen=True, slots=True)
class LegacyClaims:
    """A Secret's token's claims: no expiry, no audience."""

    account: Account
    secret: str


def extended(*, seconds: int, pod_bound: bool, audiences: Sequence[str], api_audiences: Sequence[str]) -> bool:
    """Whether a token lives for EXTENDED_SECONDS and is only reported as stale after its own time.

    As kube-apiserver's --service-account-extend-token-expiration: what admission mounted into a pod, for the API.
    """
    return pod_bound and seconds == WARN_ONLY_SECONDS and set(audiences) <= set(api_audiences)


def new_claims(
    *,
    issuer: str,
    account: Account,
    audiences: Sequence[str],
    now: int,
    seconds: int,
    bound: Bound,
    api_audiences: Sequence[str],
    identity: str,
) -> Claims:
    """The claims of a token that was asked for `seconds`."""
    longer = extended(seconds=seconds, pod_bound=bound.pod is not None, audiences=audiences, api_audiences=api_audiences)
    return Claims(
        issuer=issuer,
        account=account,
        audiences=tuple(audiences),
        issued_at=now,
        not_before=now,
        expires=now + (EXTENDED_SECONDS if longer else seconds),
        bound=bound,
        warn_after=now + seconds if longer else 0,
        identity=identity,
    )


def encode(claims: Claims) -> Json:
    """The JSON that is signed."""
    inside: Json = {
        "namespace": claims.account.namespace,
        "serviceaccount": {"name": claims.account.name, "uid": claims.account.uid},
    }
    for key in ("node", "pod", "secret"):
        ref: Ref | None = getattr(claims.bound, key)
        if ref is not None:
            inside[key] = {"name": ref.name, "uid": ref.uid} if ref.uid else {"name": ref.name}
    if claims.warn_after:
        inside["warnafter"] = claims.warn_after
    return {
        "aud": list(claims.audiences),
        "exp": claims.expires,
        "iat": claims.issued_at,
        "iss": claims.issuer,
        "jti": claims.identity,
        "kubernetes.io": inside,
        "nbf": claims.not_before,
        "sub": claims.account.user,
    }


def encode_legacy(claims: LegacyClaims) -> Json:
    """The JSON that is signed for a Secret of type kubernetes.io/service-account-token."""
    account = claims.account
    return {
        "iss": LEGACY_ISSUER,
        "sub": account.user,
        "kubernetes.io/serviceaccount/namespace": account.namespace,
        "kubernetes.io/serviceaccount/secret.name": claims.secret,
        "kubernetes.io/serviceaccount/service-account.name": account.name,
        "kubernetes.io/serviceaccount/service-account.uid": account.uid,
    }


class _Ref(msgspec.Struct):
    name: str
    uid: str = ""


class _Inside(msgspec.Struct):
    namespace: str
    serviceaccount: _Ref
    pod: _Ref | None = None
    node: _Ref | None = None
    secret: _Ref | None = None
    warnafter: int | float = 0


class _Token(msgspec.Struct):
    iss: str
    sub: str
    exp: int | float
    aud: list[str] | str
    inside: _Inside = msgspec.field(name="kubernetes.io")
    iat: int | float = 0
    nbf: int | float = 0
    jti: str = ""


class _LegacyToken(msgspec.Struct):
    sub: str
    namespace: str = msgspec.field(name="kubernetes.io/serviceaccount/namespace")
    secret: str = msgspec.field(name="kubernetes.io/serviceaccount/secret.name")
    name: str = msgspec.field(name="kubernetes.io/serviceaccount/service-account.name")
    uid: str = msgspec.field(name="kubernetes.io/serviceaccount/service-account.uid")


def decode(payload: Json) -> Claims | LegacyClaims:
    """The claims of a token whose signature holds. Raises MalformedClaims."""
    try:
        if payload.get("iss") == LEGACY_ISSUER:
            return _legacy(msgspec.convert(payload, _LegacyToken))
        return _bound(msgspec.convert(payload, _Token))
    except msgspec.ValidationError as error:
        raise MalformedClaims(f"service account token claims could not be validated: {error}") from error


def _legacy(token: _LegacyToken) -> LegacyClaims:
    account = Account(token.namespace, token.name, token.uid)
    if token.sub != account.user:
        raise MalformedClaims("sub claim is not the service account's")
    return LegacyClaims(account, token.secret)


def _bound(token: _Token) -> Claims:
    inside = token.inside
    account = Account(inside.namespace, inside.serviceaccount.name, inside.serviceaccount.uid)
    if token.sub != account.user:
        raise MalformedClaims("sub claim is not the service account's")
    return Claims(
        issuer=token.iss,
        account=account,
        audiences=(token.aud,) if isinstance(token.aud, str) else tuple(token.aud),
        issued_at=int(token.iat),
        not_before=int(token.nbf),
        expires=int(token.exp),
        bound=Bound(pod=_ref(inside.pod), node=_ref(inside.node), secret=_ref(inside.secret)),
        warn_after=int(inside.warnafter),
        identity=token.jti,
    )


def _ref(ref: _Ref | None) -> Ref | None:
    return None if ref is None else Ref(ref.name, ref.uid)
