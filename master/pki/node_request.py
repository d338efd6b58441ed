"""Which certificate requests of nodes may be signed: the rules of Kubernetes' kube-apiserver-client-kubelet signer.

Source: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers
Pure. Called by `master.fleet.join`.
"""

import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from master.pki.authority import fingerprint
from proto.topics import node_user

NODES_GROUP = "system:nodes"
MAX_REQUEST_BYTES = 16 * 1024
_DNS1123_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_MIN_RSA_BITS = 2048


class Refused(ValueError):
    """A certificate request that may not be signed; says which rule it breaks."""


@dataclass(frozen=True, slots=True)
class NodeRequest:
    """An acceptable request: whose, for which key."""

    node: str
    public_key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
    #: SHA-256 of the key's SPKI in hex: by it the same host is known when it asks again.
    fingerprint: str


def check_node_name(name: str) -> None:
    """Node names are DNS-1123 subdomains. Raises Refused."""
    if len(name) > 253 or not _DNS1123_SUBDOMAIN.match(name):
        raise Refused(f"node name {name[:253]!r} is not a lowercase RFC 1123 subdomain")


def check(node: str, csr_pem: bytes) -> NodeRequest:
    """The request as it may be signed. Raises Refused."""
    check_node_name(node)
    if len(csr_pem) > MAX_REQUEST_BYTES:
        raise Refused(f"the certificate request exceeds {MAX_REQUEST_BYTES} bytes")
    try:
        request = x509.load_pem_x509_csr(csr_pem)
        valid = request.is_signature_valid
        key = request.public_key()
        extensions = list(request.extensions)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise Refused("the certificate request is not a PEM PKCS #10 request") from error
    if not valid:
        raise Refused("the certificate request's signature does not hold")
    _check_subject(request.subject, node)
    _check_extensions(extensions)
    match key:
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1):
            return NodeRequest(node, key, fingerprint(key))
        case ed25519.Ed25519PublicKey():
            return NodeRequest(node, key, fingerprint(key))
        case rsa.RSAPublicKey() if key.key_size >= _MIN_RSA_BITS:
            return NodeRequest(node, key, fingerprint(key))
        case _:
            raise Refused("the key must be ECDSA (P-256, P-384, P-521), Ed25519, or RSA of at least 2048 bits")


def _check_subject(subject: x509.Name, node: str) -> None:
    names = [(attribute.oid, attribute.value) for attribute in subject]
    expected = {(NameOID.COMMON_NAME, node_user(node)), (NameOID.ORGANIZATION_NAME, NODES_GROUP)}
    if len(names) != 2 or set(names) != expected:
        raise Refused(f"the subject must be exactly O={NODES_GROUP}, CN={node_user(node)}")


def _check_extensions(extensions: list[x509.Extension[x509.ExtensionType]]) -> None:
    for extension in extensions:
        match extension.value:
            case x509.KeyUsage() as usage if not (usage.key_cert_sign or usage.crl_sign):
                continue
            case x509.ExtendedKeyUsage() as usage if set(usage) == {ExtendedKeyUsageOID.CLIENT_AUTH}:
                continue
            case x509.BasicConstraints() as constraints if not constraints.ca:
                continue
            case _:
                raise Refused(f"extension {extension.oid.dotted_string} may not be asked for: client auth only, no names")
