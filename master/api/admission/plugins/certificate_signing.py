"""CertificateSigning: who issues a certificate or gives its request up must be allowed to `sign` for its signer.

Source: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#certificatesigning
"""

from master.api.admission.protocol import AdmissionContext, AdmissionRequest, ValidatingPlugin
from master.api.auth.authorization import Authorization
from master.api.auth.signers import require_for_signer
from master.client.protocol import Json

ORDER = 930


class CertificateSigning:
    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization

    async def validate(self, request: AdmissionRequest, obj: Json) -> None:
        resource = request.resource
        if (resource.group, resource.plural) != ("certificates.k8s.io", "certificatesigningrequests"):
            return
        if request.operation != "UPDATE" or request.subresource != "status":
            return
        old = request.old or {}
        before, after = old.get("status") or {}, obj.get("status") or {}
        if all(before.get(key) == after.get(key) for key in ("certificate", "conditions")):
            return
        signer = (old.get("spec") or {}).get("signerName") or ""
        require_for_signer(self._authorization, request.user, "sign", signer=signer, request=request.name)


def validating(context: AdmissionContext) -> ValidatingPlugin:
    return CertificateSigning(context.authorization)
