"""Rights to approve and sign certificate requests of one signer, of all of its domain, or of all."""

from master.api.auth.authorization import Authorization
from master.api.auth.protocol import Attributes, UserInfo


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
