"""Bootstrap tokens: `<id>.<secret>`, kept in the Secret `bootstrap-token-<id>` of namespace kube-system.

Source: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

import base64
import binascii
import hmac
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from master.api.auth.protocol import AUTHENTICATED, BOOTSTRAPPERS, UserInfo

_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})\Z")
_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\Z")
SECRET_TYPE = "bootstrap.kubernetes.io/token"
NAMESPACE = "kube-system"

#: Reads a Secret of kube-system by its name; None when there is none.
SecretReader = Callable[[str], Awaitable[dict[str, Any] | None]]


class BootstrapTokens:
    """Authenticates by the Secrets of kube-system. A malformed or expired token Secret authenticates nobody."""

    def __init__(self, read_secret: SecretReader, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._read_secret = read_secret
        self._now = now

    async def authenticate(self, token: str) -> UserInfo | None:
        match = _TOKEN.match(token)
        if match is None:
            return None
        identity, secret = match.groups()
        stored = await self._read_secret(f"bootstrap-token-{identity}")
        if stored is None or stored.get("type") != SECRET_TYPE or stored.get("metadata", {}).get("deletionTimestamp"):
            return None
        data = _decoded(stored.get("data") or {})
        if not hmac.compare_digest(data.get("token-secret", ""), secret) or data.get("token-id") != identity:
            return None
        if self._expired(data.get("expiration", "")) or data.get("usage-bootstrap-authentication") != "true":
            return None
        extra = [group for group in data.get("auth-extra-groups", "").split(",") if group]
        if not all(_GROUP.match(group) for group in extra):
            return None
        return UserInfo(f"system:bootstrap:{identity}", groups=(BOOTSTRAPPERS, *extra, AUTHENTICATED))

    def _expired(self, expiration: str) -> bool:
        if not expiration:
            return False
        try:
            at = datetime.fromisoformat(expiration)
        except ValueError:
            return True
        return at.tzinfo is None or at <= self._now()


def _decoded(data: dict[str, str]) -> dict[str, str]:
    decoded: dict[str, str] = {}
    for key, value in data.items():
        try:
            text = base64.b64decode(value, validate=True).decode("ascii")
        except (binascii.Error, UnicodeDecodeError, TypeError):
            continue
        decoded[key] = text
    return decoded
