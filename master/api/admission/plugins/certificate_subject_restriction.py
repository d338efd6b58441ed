"""CertificateSubjectRestriction: nobody gets a client certificate of group system:masters by a certificate request.

Source: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#certificatesubjectrestriction
"""

from base64 import b64decode
from binascii import Error as Base64Error

from master.api.admission.protocol import AdmissionContext, AdmissionRequest, ValidatingPlugin
from master.api.auth.protocol import MASTERS
from master.client.errors import forbidden
from master.client.protocol import Json

ORDER = 940
_SIGNER = "kubernetes.io/kube-apiserver-client"


class CertificateSubjectRestriction:
    async def validate(self, request: AdmissionRequest, obj: Json) -> None:
        resource = request.resource
        if (resource.group, resource.plural) != ("certificates.k8s.io", "certificatesigningrequests"):
            return
        spec = obj.get("spec") or {}
        if request.operation != "CREATE" or request.subresource or spec.get("signerName") != _SIGNER:
            return
        if MASTERS in _organizations(spec.get("request") or ""):
            why = f"use of {_SIGNER} signer with {MASTERS} group is not allowed"
            raise forbidden(resource.plural, resource.group, request.name, why)


def _organizations(encoded: str) -> list[str]:
    """Of a request that the kind's validation has found good."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        subject = x509.load_pem_x509_csr(b64decode(encoded)).subject
    except (Base64Error, ValueError):
        return []
    return [str(attribute.value) for attribute in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]


def validating(_context: AdmissionContext) -> ValidatingPlugin:
    return CertificateSubjectRestriction()
