"""Which certificate requests Kubernetes' own signers sign, and for how long. Pure.

    kubernetes.io/kube-apiserver-client           any client; never approved by itself
    kubernetes.io/kube-apiserver-client-kubelet   nodes as clients
    kubernetes.io/kubelet-serving                 nodes as servers; never approved by itself

Source: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers and
Kubernetes' pkg/apis/certificates/helpers.go, pkg/controller/certificates/signer. Called by the controllers that approve and
sign.
"""

from collections.abc import Sequence
from datetime import timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from master.pki.authority import CERTIFICATE_LIFETIME
from master.pki.cluster import BROKER_USER
from proto.topics import NODE_USER_PREFIX

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
SIGNERS = frozenset({CLIENT, KUBELET_CLIENT, KUBELET_SERVING})

_NODES = "system:nodes"
_SHORTEST = timedelta(minutes=10)
_OPTIONAL = frozenset({"digital signature", "key encipherment"})
_KUBELET_CLIENT_USAGES = frozenset({"digital signature", "key encipherment", "client auth"})
_KUBELET_SERVING_USAGES = frozenset({"digital signature", "key encipherment", "server auth"})


class UnfitRequest(ValueError):
    """A request that its signer may not sign; the text is Kubernetes'."""


def parse(pem: bytes) -> x509.CertificateSigningRequest:
    """Raises UnfitRequest."""
    try:
        request = x509.load_pem_x509_csr(pem)
        if request.is_signature_valid:
            return request
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnfitRequest("PEM block type must be CERTIFICATE REQUEST") from error
    raise UnfitRequest("the certificate request's signature does not hold")


def check(signer: str, request: x509.CertificateSigningRequest, usages: Sequence[str]) -> None:
    """Raises UnfitRequest for what one of SIGNERS may not sign."""
    _check_common_name(request)
    match signer:
        case "kubernetes.io/kube-apiserver-client":
            _check_client(usages)
        case "kubernetes.io/kube-apiserver-client-kubelet":
            _check_kubelet_client(request, usages)
        case "kubernetes.io/kubelet-serving":
            _check_kubelet_serving(request, usages)
        case _:
            raise UnfitRequest(f"unrecognized signerName: {signer}")


def is_kubelet_client(request: x509.CertificateSigningRequest, usages: Sequence[str]) -> bool:
    """Whether it asks for a node's client certificate, and nothing else."""
    try:
        check(KUBELET_CLIENT, request, usages)
    except UnfitRequest:
        return False
    return True


def common_name(request: x509.CertificateSigningRequest) -> str:
    """ "" when it has none."""
    return next(iter(_values(request, NameOID.COMMON_NAME)), "")


def lifetime(expiration_seconds: int | None) -> timedelta:
    """How long the certificate lives: as asked, within ten minutes and a year."""
    if expiration_seconds is None:
        return CERTIFICATE_LIFETIME
    return min(max(timedelta(seconds=expiration_seconds), _SHORTEST), CERTIFICATE_LIFETIME)


def _check_common_name(request: x509.CertificateSigningRequest) -> None:
    """The API, the broker and who approves must read the same name: one of several, or one spelt in another encoding, they
    would not."""
    names = _values(request, NameOID.COMMON_NAME)
    if len(names) > 1:
        raise UnfitRequest("subject has more than one common name")
    if BROKER_USER in names:
        # The broker trusts the same CA, and who has this name there speaks as the master.
        raise UnfitRequest(f"subject common name {BROKER_USER} is reserved")
    if any(name.encode() not in request.subject.public_bytes() for name in names):
        raise UnfitRequest("subject common name is not in UTF-8")


def _check_client(usages: Sequence[str]) -> None:
    for usage in usages:
        if usage != "client auth" and usage not in _OPTIONAL:
            raise UnfitRequest(f"invalid usage for client certificate: {usage}")
    if "client auth" not in usages:
        raise UnfitRequest("missing required usage for client certificate: client auth")


def _check_kubelet_client(request: x509.CertificateSigningRequest, usages: Sequence[str]) -> None:
    _check_node_organization(request)
    for kind, text in (
        (x509.DNSName, "DNS subjectAltNames are not allowed"),
        (x509.RFC822Name, "Email subjectAltNames are not allowed"),
        (x509.IPAddress, "IP subjectAltNames are not allowed"),
        (x509.UniformResourceIdentifier, "URI subjectAltNames are not allowed"),
    ):
        if _names(request, kind):
            raise UnfitRequest(text)
    _check_node_name(request)
    _check_usages(usages, _KUBELET_CLIENT_USAGES)


def _check_kubelet_serving(request: x509.CertificateSigningRequest, usages: Sequence[str]) -> None:
    _check_node_organization(request)
    if not _names(request, x509.DNSName) and not _names(request, x509.IPAddress):
        raise UnfitRequest("DNS or IP subjectAltName is required")
    if _names(request, x509.RFC822Name):
        raise UnfitRequest("Email subjectAltNames are not allowed")
    if _names(request, x509.UniformResourceIdentifier):
        raise UnfitRequest("URI subjectAltNames are not allowed")
    _check_usages(usages, _KUBELET_SERVING_USAGES)
    _check_node_name(request)


def _check_node_organization(request: x509.CertificateSigningRequest) -> None:
    if _values(request, NameOID.ORGANIZATION_NAME) != [_NODES]:
        raise UnfitRequest("subject organization is not system:nodes")


def _check_node_name(request: x509.CertificateSigningRequest) -> None:
    if not common_name(request).startswith(NODE_USER_PREFIX):
        raise UnfitRequest("subject common name does not begin with system:node:")


def _check_usages(usages: Sequence[str], required: frozenset[str]) -> None:
    """Key encipherment is for RSA keys and may be left out."""
    if frozenset(usages) not in (required, required - {"key encipherment"}):
        raise UnfitRequest(f"usages did not match [{' '.join(sorted(required))}]")


def _values(request: x509.CertificateSigningRequest, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(attribute.value) for attribute in request.subject.get_attributes_for_oid(oid)]


def _names(request: x509.CertificateSigningRequest, kind: type[x509.GeneralName]) -> list[x509.GeneralName]:
    names = subject_alternative_names(request)
    return [] if names is None else [name for name in names if isinstance(name, kind)]


def subject_alternative_names(request: x509.CertificateSigningRequest) -> x509.SubjectAlternativeName | None:
    """Raises UnfitRequest for extensions that cannot be read."""
    try:
        return request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    except (ValueError, x509.DuplicateExtension) as error:
        raise UnfitRequest("the certificate request's extensions cannot be read") from error
