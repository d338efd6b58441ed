"""CertificateApproval: who approves or denies a certificate request must be allowed to `approve` for its signer.

Source: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#certificateapproval
"""

from master.api.admission.protocol import AdmissionContext, AdmissionRequest, ValidatingPlugin
from master.api.auth.authorization import Authorization
from master.api.auth.signers import may_for_signer
from master.client.errors import forbidden
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
        if not may_for_signer(self._authorization, request.user, "approve", signer):
            why = f'user not permitted to approve requests with signerName "{signer}"'
            raise forbidden(resource.plural, resource.group, request.name, why)


def validating(context: AdmissionContext) -> ValidatingPlugin:
    return CertificateApproval(context.authorization)
