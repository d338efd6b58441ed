"""Authentication of one request: client certificate first, then bearer token. Called by `master.api.http`."""

from collections.abc import Mapping, Sequence
from typing import Any

from master.api.auth import certificates
from master.api.auth.protocol import TokenAuthenticator, UserInfo
from master.client.errors import unauthorized


class Authentication:
    """Asks the token authenticators in order."""

    def __init__(self, token_authenticators: Sequence[TokenAuthenticator]) -> None:
        self._token_authenticators = tuple(token_authenticators)

    async def authenticate(self, peer_certificate: Mapping[str, Any] | None, authorization: str) -> UserInfo | None:
        """The user, or None when the request carries no credentials. Raises StatusError 401 when they are wrong."""
        user = certificates.user_of(peer_certificate)
        if user is not None:
            return user
        if not authorization:
            return None
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise unauthorized()
        for authenticator in self._token_authenticators:
            user = await authenticator.authenticate(token)
            if user is not None:
                return user
        raise unauthorized()
