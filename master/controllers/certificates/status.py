"""What a CertificateSigningRequest's status says. Pure. Source: Kubernetes' pkg/controller/certificates."""

from base64 import b64decode
from binascii import Error as Base64Error

from cryptography import x509
from lightkube.models.certificates_v1 import CertificateSigningRequestCondition
from lightkube.resources.certificates_v1 import CertificateSigningRequest

from master.pki import certificate_requests

APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"


def conditions(request: CertificateSigningRequest) -> list[CertificateSigningRequestCondition]:
    return list((request.status.conditions if request.status is not None else None) or ())


def condition(request: CertificateSigningRequest, kind: str) -> CertificateSigningRequestCondition | None:
    return next((one for one in conditions(request) if one.type == kind), None)


def certificate(request: CertificateSigningRequest) -> str:
    """The issued certificate, base64 of PEM; "" before."""
    return (request.status.certificate if request.status is not None else None) or ""


def requested(request: CertificateSigningRequest) -> x509.CertificateSigningRequest:
    """Raises UnfitRequest."""
    return certificate_requests.parse(_decoded(request.spec.request))


def issued(request: CertificateSigningRequest) -> x509.Certificate | None:
    """None before, and for what is no certificate."""
    try:
        return x509.load_pem_x509_certificate(_decoded(certificate(request)))
    except ValueError:
        return None


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text)
    except (Base64Error, ValueError):
        return b""
