"""Rights to approve and sign certificate requests of one signer, of all of its domain, or of all."""

from master.api.auth.authorization import Authorization
from master.api.auth.protocol import Attributes, UserInfo
from master.client.errors import forbidden


def may_for_signer(authorization: Authorization, user: UserInfo, verb: str, signer: str) -> bool:
    """Whether a user may `approve`, `sign` or `attest` for a signer: by its name, or by `<domain>/*`.

    Source: Kubernetes' pkg/certauthorization (IsAuthorizedForSignerName).
    """
    domain = signer.partition("/")[0]
    return any(
        authorization.authorize(
            Attributes(user, verb, group="certificates.k8s.io", version="*", resource="signers", name=name)
        ).allowed
        for name in (signer, f"{domain}/*")
    )


def require_for_signer(authorization: Authorization, user: UserInfo, verb: str, *, signer: str, request: str) -> None:
    """Raises StatusError 403 for the certificate request of that name."""
    if not may_for_signer(authorization, user, verb, signer):
        why = f'user not permitted to {verb} requests with signerName "{signer}"'
        raise forbidden("certificatesigningrequests", "certificates.k8s.io", request, why)
