"""Client certificates: the common name is the user, the organisations are its groups.

TLS has checked the chain against the cluster CA by then (verify_mode=CERT_OPTIONAL): a certificate that does not verify ends
the handshake. Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from master.api.auth.protocol import AUTHENTICATED, UserInfo


def user_of(peer_certificate: Mapping[str, Any] | None) -> UserInfo | None:
    """The user of a verified peer certificate (`ssl.SSLSocket.getpeercert()`), or None without one or without a CN."""
    if not peer_certificate:
        return None
    return _user_of(peer_certificate.get("subject", ()))


@lru_cache(maxsize=1024)
def _user_of(subject: tuple[tuple[tuple[str, str], ...], ...]) -> UserInfo | None:
    """A connection asks for each of its requests."""
    name = ""
    groups: list[str] = []
    for relative in subject:
        for attribute, value in relative:
            if attribute == "commonName":
                name = value
            elif attribute == "organizationName":
                groups.append(value)
    if not name:
        return None
    return UserInfo(name, groups=(*groups, AUTHENTICATED))
