"""The cluster CA: an ECDSA P-256 key that signs server, client and node certificates.

Pure: takes and returns keys and certificates, touches no file. Called by `master.pki.cluster` and by `master.fleet.join`.
"""

import hashlib
import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from master.pki.files import PkiError

CA_LIFETIME = timedelta(days=3650)
CERTIFICATE_LIFETIME = timedelta(days=365)
#: Certificates are made anew when they are within this time of their end.
RENEW_BEFORE = timedelta(days=90)
#: Clocks of nodes may lag behind ours.
_BACKDATE = timedelta(minutes=5)
#: Certificates of this life and longer end so much earlier as they begin earlier.
_BACKDATED_FROM = timedelta(hours=8)
_EXTENDED_USAGES = {"client auth": ExtendedKeyUsageOID.CLIENT_AUTH, "server auth": ExtendedKeyUsageOID.SERVER_AUTH}


class Authority:
    """The CA's key and certificate."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        if key.public_key() != certificate.public_key():
            raise PkiError("the CA's key and certificate do not belong together")
        self._key = key
        self.certificate = certificate

    @classmethod
    def generate(cls, common_name: str) -> "Authority":
        key = generate_key()
        name = _name(common_name)
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATE)
            .not_valid_after(now + CA_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(sign_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, SHA256())
        )
        return cls(key, certificate)

    @classmethod
    def load(cls, key_pem: bytes, certificate_pem: bytes) -> "Authority":
        """Raises PkiError."""
        return cls(load_key(key_pem), load_certificate(certificate_pem))

    @property
    def key_pem(self) -> bytes:
        return key_to_pem(self._key)

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def public_key_hash(self) -> str:
        """SHA-256 of the CA's public key (SPKI, DER), as `kubeadm join --discovery-token-ca-cert-hash` takes it."""
        return f"sha256:{fingerprint(self.certificate.public_key())}"

    def issue_server(self, key: ec.EllipticCurvePrivateKey, common_name: str, names: Sequence[str]) -> x509.Certificate:
        """A server certificate for these DNS names and IP addresses."""
        return self._issue(key.public_key(), _name(common_name), usages=[ExtendedKeyUsageOID.SERVER_AUTH], names=names)

    def issue_client(
        self, public_key: CertificatePublicKeyTypes, common_name: str, organizations: Sequence[str] = ()
    ) -> x509.Certificate:
        """A client certificate: Kubernetes reads the user from CN and the groups from O."""
        return self._issue(public_key, _name(common_name, organizations), usages=[ExtendedKeyUsageOID.CLIENT_AUTH], names=[])

    def issue_requested(
        self, request: x509.CertificateSigningRequest, usages: Sequence[str], lifetime: timedelta
    ) -> x509.Certificate:
        """What a certificate request asks for: its subject, its names, no more. `usages`: Kubernetes' words for key usages.

        Whether it may have that is the caller's to judge (`master.pki.certificate_requests`). A short one starts in time to
        live as long as it is asked for, as kube-controller-manager's do.
        """
        now = datetime.now(UTC)
        until = now + lifetime - (_BACKDATE if lifetime >= _BACKDATED_FROM else timedelta())
        builder = self._builder(request.public_key(), request.subject, now=now, until=until)
        signs, enciphers = "digital signature" in usages, "key encipherment" in usages
        if signs or enciphers:
            # Without either the extension must be missing: an empty one forbids every use, TLS among them.
            usage = _key_usage(sign_certificates=False, digital_signature=signs, key_encipherment=enciphers)
            builder = builder.add_extension(usage, critical=True)
        extended = [oid for usage_name, oid in _EXTENDED_USAGES.items() if usage_name in usages]
        if extended:
            builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
        try:
            names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            return builder.sign(self._key, SHA256())
        return builder.add_extension(names.value, critical=False).sign(self._key, SHA256())

    def signed(self, certificate: x509.Certificate) -> bool:
        """Whether this CA signed the certificate."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def _issue(
        self,
        public_key: CertificatePublicKeyTypes,
        subject: x509.Name,
        *,
        usages: Sequence[x509.ObjectIdentifier],
        names: Sequence[str],
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            self._builder(public_key, subject, now=now, until=now + CERTIFICATE_LIFETIME)
            .add_extension(_key_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_san(name) for name in names]), critical=False)
        return builder.sign(self._key, SHA256())

    def _builder(
        self, public_key: CertificatePublicKeyTypes, subject: x509.Name, *, now: datetime, until: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.certificate.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATE)
            .not_valid_after(min(until, self.certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )


def generate_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_to_pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Raises PkiError for anything but an ECDSA key."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiError("not a PEM private key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PkiError("not an ECDSA key")
    return key


def load_certificate(pem: bytes) -> x509.Certificate:
    """Raises PkiError."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise PkiError("not a PEM certificate") from error


def fingerprint(public_key: CertificatePublicKeyTypes) -> str:
    """SHA-256 of a public key's SPKI in DER, in hex."""
    spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def covers(certificate: x509.Certificate, names: Sequence[str]) -> bool:
    """Whether a server certificate holds all of these names and is not near its end."""
    if datetime.now(UTC) > certificate.not_valid_after_utc - RENEW_BEFORE:
        return False
    if not names:
        return True
    try:
        present = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    return {_san(name) for name in names} <= set(present)


def _san(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(common_name: str, organizations: Sequence[str] = ()) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization) for organization in organizations]
        + [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    )


def _key_usage(*, sign_certificates: bool, digital_signature: bool = True, key_encipherment: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
