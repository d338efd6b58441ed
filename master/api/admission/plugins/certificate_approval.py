"""CertificateApproval: who approves or denies a certificate request must be allowed to `approve` for its signer.

Source: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#certificateapproval
"""

from master.api.admission.protocol import AdmissionContext, AdmissionRequest, ValidatingPlugin
from master.api.auth.authorization import Authorization
from master.api.auth.signers import require_for_signer
from master.client.protocol import Json

ORDER = 920


class CertificateApproval:
    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization

    async def validate(self, request: AdmissionRequest, obj: Json) -> None:
        resource = request.resource
        if (resource.group, resource.plural) != ("certificates.k8s.io", "certificatesigningrequests"):
            return
        if request.operation != "UPDATE" or request.subresource != "approval":
            return
        signer = ((request.old or {}).get("spec") or {}).get("signerName") or ""
        require_for_signer(self._authorization, request.user, "approve", signer=signer, request=request.name)


def validating(context: AdmissionContext) -> ValidatingPlugin:
    return CertificateApproval(context.authorization)
