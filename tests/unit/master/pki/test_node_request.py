import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from master.pki.node_request import Refused, check

_KEY = ec.generate_private_key(ec.SECP256R1())


def _csr(
    common_name: str = "system:node:n1",
    organizations: tuple[str, ...] = ("system:nodes",),
    *extensions: x509.ExtensionType,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = _KEY,
) -> bytes:
    name = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations]
        + [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def test_a_nodes_own_request_is_accepted() -> None:
    request = check("n1", _csr("system:node:n1", ("system:nodes",), x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])))
    assert request.node == "n1"
    assert len(request.fingerprint) == 64


@pytest.mark.parametrize(
    "csr",
    [
        _csr("system:node:n2"),
        _csr("kubernetes-admin"),
        _csr("wherry-master"),
        _csr("system:node:n1", ("system:masters",)),
        _csr("system:node:n1", ("system:nodes", "system:masters")),
        _csr("system:node:n1", ()),
        _csr("system:node:n1", ("system:nodes",), x509.SubjectAlternativeName([x509.DNSName("kubernetes")])),
        _csr("system:node:n1", ("system:nodes",), x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])),
        _csr("system:node:n1", ("system:nodes",), x509.BasicConstraints(ca=True, path_length=None)),
        _csr(key=rsa.generate_private_key(65537, 1024)),
        b"",
        b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        b"\xff" * 20_000,
    ],
    ids=[
        "another-node", "admin", "master", "masters-group", "two-groups", "no-group", "dns-name", "server-auth", "ca",
        "short-rsa", "empty", "garbage", "too-long",
    ],
)  # fmt: skip
def test_anything_else_is_refused(csr: bytes) -> None:
    with pytest.raises(Refused):
        check("n1", csr)


@pytest.mark.parametrize("name", ["", "N1", "a/b", "+", "#", "a b", "-a", "a" * 254, "a..b", "n1\n"])
def test_a_node_name_that_is_no_dns_subdomain_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        check(name, _csr(f"system:node:{name}"[:64]))


def test_an_altered_request_is_refused() -> None:
    der = bytearray(x509.load_pem_x509_csr(_csr()).public_bytes(Encoding.DER))
    der[-1] ^= 1
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(bytes(der)) + b"-----END CERTIFICATE REQUEST-----\n"
    with pytest.raises(Refused):
        check("n1", pem)
