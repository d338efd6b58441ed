"""Bearer tokens that the master was given at start."""

import hmac
from collections.abc import Mapping

from master.api.auth.protocol import AUTHENTICATED, UserInfo


class StaticTokens:
    """A fixed list of tokens. Every token is compared in constant time, all of them every time."""

    def __init__(self, tokens: Mapping[str, UserInfo]) -> None:
        self._tokens = [(token.encode(), user) for token, user in tokens.items() if token]

    async def authenticate(self, token: str) -> UserInfo | None:
        presented = token.encode()
        found: UserInfo | None = None
        for known, user in self._tokens:
            if hmac.compare_digest(known, presented):
                found = user
        if found is None or AUTHENTICATED in found.groups:
            return found
        return UserInfo(found.name, found.uid, (*found.groups, AUTHENTICATED), found.extra)
