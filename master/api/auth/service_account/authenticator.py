"""Authenticates service account tokens: the signature holds, the account and what the token is bound to still exist.

Every request looks the objects up anew (in the watch cache), so a token ends the moment its pod is gone; only what can never
change, a signature that holds, is remembered. Source: Kubernetes' pkg/serviceaccount (jwt.go, claims.go, legacy.go).
"""

import hashlib
import hmac
import logging
import time
from base64 import b64decode
from binascii import Error as Base64Error
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from prometheus_client import Counter

from master.api.admission.protocol import ObjectReader
from master.api.auth.protocol import AUTHENTICATED, Authenticated, TokenRefused, UserInfo
from master.client.protocol import Json
from master.pki.service_account.claims import (
    LEGACY_ISSUER,
    Account,
    Claims,
    LegacyClaims,
    MalformedClaims,
    Ref,
    decode,
)
from master.pki.service_account.keys import InvalidToken, ServiceAccountKeys, unverified_issuer

_log = logging.getLogger(__name__)

#: Seconds that clocks may differ, and that a deleted object's tokens still work (jwt.DefaultLeeway).
LEEWAY = 60
#: Signatures that are remembered.
_MAX_VERIFIED = 4096
_GROUP = "system:serviceaccounts"
_EXTRA = "authentication.kubernetes.io/"
TOKEN_SECRET = "kubernetes.io/service-account-token"
#: The label of a legacy token that was not used for so long that nobody may use it any more.
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
#: The label that says on which day a legacy token was used last.
LAST_USED = "kubernetes.io/legacy-token-last-used"
MarkUsed = Callable[[str, str, str], Awaitable[None]]
VALID_TOKENS = Counter("serviceaccount_valid_tokens", "Requests with a projected token within its time")
STALE_TOKENS = Counter("serviceaccount_stale_tokens", "Requests with a projected token after its time")
LEGACY_TOKENS = Counter("serviceaccount_legacy_tokens", "Requests with a token of a Secret")
_INVALIDATED = "service account token has been invalidated"


class ServiceAccountAuthenticator:
    """`api_audiences`: what a token must be meant for to be used here.

    `mark_used`: called with namespace, name and day when a legacy token is used the first time on a day.
    """

    def __init__(
        self,
        keys: ServiceAccountKeys,
        reader: ObjectReader,
        *,
        issuer: str,
        api_audiences: Sequence[str],
        mark_used: MarkUsed | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._mark_used = mark_used
        self._keys = keys
        self._reader = reader
        self._issuers = frozenset({issuer, LEGACY_ISSUER})
        self._api_audiences = tuple(api_audiences)
        self._now = now
        self._verified: OrderedDict[bytes, Claims | LegacyClaims] = OrderedDict()

    async def authenticate(self, token: str) -> UserInfo | None:
        """None for a token that is not ours or is refused."""
        try:
            found = await self.authenticate_for(token, self._api_audiences)
        except TokenRefused as error:
            _log.debug("a service account token was refused: %s", error)
            return None
        return None if found is None else found.user

    async def authenticate_for(self, token: str, audiences: Sequence[str]) -> Authenticated | None:
        """For these audiences; None for a token that is not ours. Raises TokenRefused."""
        claims = self._claims(token)
        if claims is None:
            return None
        if isinstance(claims, LegacyClaims):
            meant_for: Sequence[str] = self._api_audiences
        else:
            meant_for = claims.audiences
        matching = tuple(audience for audience in audiences if audience in meant_for)
        if not matching:
            raise TokenRefused(
                f"token audiences {_quoted(meant_for)} is invalid for the target audiences {_quoted(audiences)}"
            )
        if isinstance(claims, LegacyClaims):
            return Authenticated(await self._legacy_user(claims, token), matching)
        return Authenticated(await self._user(claims), matching)

    def _claims(self, token: str) -> Claims | LegacyClaims | None:
        """The token's claims, its signature checked once. Raises TokenRefused."""
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        known = self._verified.get(digest)
        if known is not None:
            self._verified.move_to_end(digest)
            return known
        if unverified_issuer(token) not in self._issuers:
            return None
        try:
            claims = decode(self._keys.verify(token))
        except (InvalidToken, MalformedClaims) as error:
            raise TokenRefused(str(error)) from error
        self._verified[digest] = claims
        if len(self._verified) > _MAX_VERIFIED:
            self._verified.popitem(last=False)
        return claims

    async def _user(self, claims: Claims) -> UserInfo:
        """Raises TokenRefused."""
        now = self._now()
        if now > claims.expires + LEEWAY:
            raise TokenRefused("service account token has expired")
        if now < claims.not_before - LEEWAY:
            raise TokenRefused("service account token is not valid yet")
        account, bound = claims.account, claims.bound
        await self._check_account(account, now)
        if bound.secret is not None:
            await self._check_bound("secret", "secrets", account.namespace, bound.secret, now)
        if bound.pod is not None:
            await self._check_bound("pod", "pods", account.namespace, bound.pod, now)
        elif bound.node is not None:
            await self._check_bound("node", "nodes", "", bound.node, now)
        if claims.warn_after:
            _note_age(claims, now)
        return _user_of(account, claims)

    async def _legacy_user(self, claims: LegacyClaims, token: str) -> UserInfo:
        """Raises TokenRefused."""
        account = claims.account
        secret = await self._reader.read("", "secrets", account.namespace, claims.secret)
        if secret is None or secret["metadata"].get("deletionTimestamp") or secret.get("type") != TOKEN_SECRET:
            raise TokenRefused(_INVALIDATED)
        try:
            held = b64decode((secret.get("data") or {}).get("token") or "")
        except (Base64Error, ValueError, TypeError):
            held = b""
        if not hmac.compare_digest(held, token.encode(errors="replace")):
            raise TokenRefused("service account token does not match server's copy")
        if INVALID_SINCE in (secret["metadata"].get("labels") or {}):
            raise TokenRefused("the token in secret has been marked as invalid")
        found = await self._reader.read("", "serviceaccounts", account.namespace, account.name)
        if found is None or found["metadata"].get("deletionTimestamp"):
            raise TokenRefused(f"service account {account.namespace}/{account.name} has been deleted")
        _check_uid("service account", found, account.uid)
        today = datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%d")
        if self._mark_used is not None and (secret["metadata"].get("labels") or {}).get(LAST_USED) != today:
            await self._mark_used(account.namespace, claims.secret, today)
        LEGACY_TOKENS.inc()
        return _user_of(account, None)

    async def _check_account(self, account: Account, now: float) -> None:
        found = await self._reader.read("", "serviceaccounts", account.namespace, account.name)
        if found is None:
            raise TokenRefused(f'serviceaccounts "{account.name}" not found')
        if _long_deleted(found, now):
            raise TokenRefused(f"service account {account.namespace}/{account.name} has been deleted")
        _check_uid("service account", found, account.uid)

    async def _check_bound(self, what: str, plural: str, namespace: str, ref: Ref, now: float) -> None:
        found = await self._reader.read("", plural, namespace, ref.name)
        if found is None or _long_deleted(found, now):
            raise TokenRefused(_INVALIDATED)
        if found["metadata"]["uid"] != ref.uid:
            raise TokenRefused(
                f"{what} UID ({found['metadata']['uid']}) does not match service account {what} ref claim ({ref.uid})"
            )


def _note_age(claims: Claims, now: float) -> None:
    """Counts, for operators, whether programs read their token file again: stale ones work only because they live longer."""
    (STALE_TOKENS if now > claims.warn_after else VALID_TOKENS).inc()


def _user_of(account: Account, claims: Claims | None) -> UserInfo:
    extra: dict[str, list[str]] = {}
    if claims is not None:
        if claims.identity:
            extra[f"{_EXTRA}credential-id"] = [f"JTI={claims.identity}"]
        for what in ("node", "pod"):
            ref: Ref | None = getattr(claims.bound, what)
            if ref is not None:
                extra[f"{_EXTRA}{what}-name"] = [ref.name]
                if ref.uid:
                    extra[f"{_EXTRA}{what}-uid"] = [ref.uid]
    groups = (_GROUP, f"{_GROUP}:{account.namespace}", AUTHENTICATED)
    return UserInfo(account.user, uid=account.uid, groups=groups, extra=extra)


def _check_uid(what: str, obj: Json, uid: str) -> None:
    """Raises TokenRefused for an object that only has the name of the one that is meant."""
    present = obj["metadata"]["uid"]
    if present != uid:
        raise TokenRefused(f"{what} UID ({present}) does not match claim ({uid})")


def _long_deleted(obj: Json, now: float) -> bool:
    at = obj["metadata"].get("deletionTimestamp")
    return bool(at) and datetime.fromisoformat(at).timestamp() < now - LEEWAY


def _quoted(audiences: Sequence[str]) -> str:
    return "[" + " ".join(f'"{audience}"' for audience in audiences) + "]"
