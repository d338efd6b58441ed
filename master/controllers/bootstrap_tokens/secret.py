"""What a bootstrap token's Secret says. Pure. Source: Kubernetes' cluster-bootstrap/util/secrets."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from datetime import datetime

from lightkube.resources.core_v1 import Secret

from master.controllers.objects.metadata import name_of, namespace_of, terminating

TYPE = "bootstrap.kubernetes.io/token"
NAMESPACE = "kube-system"
_NAME = re.compile(r"bootstrap-token-([a-z0-9]{6})\Z")
_SECRET = re.compile(r"[a-z0-9]{16}\Z")


def is_token(secret: Secret) -> bool:
    return secret.type == TYPE and namespace_of(secret) == NAMESPACE


def field(secret: Secret, key: str) -> str:
    """A field's text; "" when it is absent or no text."""
    try:
        return b64decode((secret.data or {}).get(key) or "").decode("ascii")
    except (Base64Error, ValueError):
        return ""


def expiration(secret: Secret) -> datetime | None:
    """None for a token that does not expire. One whose expiration cannot be read has expired, long ago."""
    text = field(secret, "expiration")
    if not (secret.data or {}).get("expiration"):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return _LONG_AGO
    return at if at.tzinfo is not None else _LONG_AGO


def signing_token(secret: Secret, now: datetime) -> tuple[str, str] | None:
    """The id and secret of a token that may sign cluster-info; None for any other."""
    named = _NAME.match(name_of(secret))
    identity, value = field(secret, "token-id"), field(secret, "token-secret")
    if not is_token(secret) or terminating(secret) or named is None or named[1] != identity or not _SECRET.match(value):
        return None
    ends = expiration(secret)
    if (ends is not None and ends <= now) or field(secret, "usage-bootstrap-signing") != "true":
        return None
    return identity, value


_LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
