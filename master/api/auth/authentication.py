"""Authentication of one request: client certificate first, then bearer token. Called by `master.api.http`."""

from collections.abc import Mapping, Sequence
from typing import Any

from master.api.auth import certificates
from master.api.auth.protocol import AudienceTokenAuthenticator, Authenticated, TokenAuthenticator, UserInfo
from master.client.errors import unauthorized


def is_text(value: str) -> bool:
    """Whether a header was UTF-8: what was not can be written down nowhere."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


class Authentication:
    """Asks the token authenticators in order. `api_audiences`: what tokens are meant for that do not say it themselves."""

    def __init__(self, token_authenticators: Sequence[TokenAuthenticator], api_audiences: Sequence[str] = ()) -> None:
        self._token_authenticators = tuple(token_authenticators)
        self._api_audiences = tuple(api_audiences)

    async def authenticate(self, peer_certificate: Mapping[str, Any] | None, authorization: str) -> UserInfo | None:
        """The user, or None when the request carries no credentials. Raises StatusError 401 when they are wrong."""
        user = certificates.user_of(peer_certificate)
        if user is not None:
            return user
        if not authorization:
            return None
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or not is_text(token):
            raise unauthorized()
        for authenticator in self._token_authenticators:
            user = await authenticator.authenticate(token)
            if user is not None:
                return user
        raise unauthorized()

    async def review(self, token: str, audiences: Sequence[str] = ()) -> Authenticated | None:
        """Whose a token is, for these audiences or the API's own; None: nobody knows it. Raises TokenRefused."""
        wanted = tuple(audiences) or self._api_audiences
        for authenticator in self._token_authenticators:
            if isinstance(authenticator, AudienceTokenAuthenticator):
                found = await authenticator.authenticate_for(token, wanted)
            else:
                found = await self._for_api(authenticator, token, wanted)
            if found is not None:
                return found
        return None

    async def _for_api(self, authenticator: TokenAuthenticator, token: str, wanted: Sequence[str]) -> Authenticated | None:
        matching = tuple(audience for audience in wanted if audience in self._api_audiences)
        user = await authenticator.authenticate(token) if matching else None
        return None if user is None else Authenticated(user, matching)
