"""Which certificate requests Kubernetes' own signers sign, and for how long."""

import ipaddress
from collections.abc import Sequence
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from master.pki.authority import Authority, generate_key
from master.pki.certificate_requests import (
    CLIENT,
    KUBELET_CLIENT,
    KUBELET_SERVING,
    UnfitRequest,
    check,
    is_kubelet_client,
    lifetime,
    parse,
)

KEY = generate_key()
DNS = x509.DNSName("n")
NODE = ("system:node:n", "system:nodes")
SIGN, ENCIPHER, AUTH, SERVE = "digital signature", "key encipherment", "client auth", "server auth"


def request(common_name: str, *organizations: str, names: Sequence[x509.GeneralName] = ()) -> x509.CertificateSigningRequest:
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations]
    subject.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(KEY, SHA256())


@pytest.mark.parametrize(
    ("signer", "asked", "usages"),
    [
        (CLIENT, request("jane", "team"), [AUTH]),
        (CLIENT, request("jane"), [SIGN, ENCIPHER, AUTH]),
        (KUBELET_CLIENT, request(*NODE), [SIGN, AUTH]),
        (KUBELET_CLIENT, request(*NODE), [AUTH, ENCIPHER, SIGN]),
        (KUBELET_SERVING, request(*NODE, names=[DNS]), [SIGN, SERVE]),
        (KUBELET_SERVING, request(*NODE, names=[x509.IPAddress(ipaddress.ip_address("::1"))]), [SIGN, ENCIPHER, SERVE]),
    ],
)
def test_fit_requests_are_signed(signer: str, asked: x509.CertificateSigningRequest, usages: list[str]) -> None:
    check(signer, asked, usages)
    assert is_kubelet_client(asked, usages) is (signer == KUBELET_CLIENT)


@pytest.mark.parametrize(
    ("signer", "asked", "usages", "why"),
    [
        (CLIENT, request("jane"), [AUTH, SERVE], "invalid usage for client certificate: server auth"),
        (CLIENT, request("jane"), [SIGN], "missing required usage for client certificate: client auth"),
        (CLIENT, request("wherry-master"), [AUTH], "subject common name wherry-master is reserved"),
        (KUBELET_CLIENT, request("system:node:n"), [SIGN, AUTH], "subject organization is not system:nodes"),
        (KUBELET_CLIENT, request(*NODE, "x"), [SIGN, AUTH], "subject organization is not system:nodes"),
        (KUBELET_CLIENT, request("n", "system:nodes"), [SIGN, AUTH], "subject common name does not begin with system:node:"),
        (KUBELET_CLIENT, request(*NODE, names=[DNS]), [SIGN, AUTH], "DNS subjectAltNames are not allowed"),
        (
            KUBELET_CLIENT,
            request(*NODE),
            [AUTH],
            r"usages did not match \[client auth digital signature key encipherment\]",
        ),
        (KUBELET_SERVING, request(*NODE), [SIGN, SERVE], "DNS or IP subjectAltName is required"),
        (
            KUBELET_SERVING,
            request(*NODE, names=[DNS, x509.UniformResourceIdentifier("spiffe://x")]),
            [SIGN, SERVE],
            "URI subjectAltNames are not allowed",
        ),
        ("example.com/x", request("jane"), [AUTH], "unrecognized signerName: example.com/x"),
    ],
)
def test_unfit_requests_are_not(signer: str, asked: x509.CertificateSigningRequest, usages: list[str], why: str) -> None:
    with pytest.raises(UnfitRequest, match=why):
        check(signer, asked, usages)


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n"])
def test_what_is_no_request_is_unfit(pem: bytes) -> None:
    with pytest.raises(UnfitRequest):
        parse(pem)


def test_a_certificate_lives_as_long_as_asked_within_ten_minutes_and_a_year() -> None:
    assert lifetime(None) == lifetime(2**31 - 1) == timedelta(days=365)
    assert lifetime(60) == timedelta(minutes=10)
    assert lifetime(7200) == timedelta(hours=2)


def test_an_issued_certificate_has_the_subject_and_usages_of_its_request_and_is_no_ca() -> None:
    authority = Authority.generate("ca")
    issued = authority.issue_requested(request("jane", "team"), [AUTH, SIGN], timedelta(hours=1))
    assert issued.subject.rfc4514_string() == "CN=jane,O=team"
    assert authority.signed(issued)
    usage = issued.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment, usage.key_cert_sign) == (True, False, False)
    assert not issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert issued.not_valid_after_utc - issued.not_valid_before_utc == timedelta(hours=1, minutes=5)


def test_a_node_that_names_itself_and_another_is_refused() -> None:
    # The approver would read one name, the API or the broker the other.
    names = [x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{name}") for name in ("n", "victim")]
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"), *names])
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(KEY, SHA256())
    assert not is_kubelet_client(asked, [SIGN, AUTH])
    for signer in (CLIENT, KUBELET_CLIENT, KUBELET_SERVING):
        with pytest.raises(UnfitRequest, match="more than one common name"):
            check(signer, asked, [SIGN, AUTH])


def test_a_name_that_reads_differently_as_bytes_is_refused() -> None:
    name = b"system:node:victim".decode("utf-16-be")  # the broker reads the bytes
    attribute = x509.NameAttribute(NameOID.COMMON_NAME, name, _type=_ASN1Type.BMPString)
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([attribute])).sign(KEY, SHA256())
    with pytest.raises(UnfitRequest, match="not in UTF-8"):
        check(CLIENT, asked, [AUTH])
