"""The keys of service account tokens: one signs, several verify, so that a key can be replaced while old tokens live on.

A key's id (`kid`) is the SHA-256 of its public half, as in Kubernetes, so every reader of the JWKS computes the same one.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from master.pki.authority import load_key
from master.pki.files import PkiError
from master.pki.service_account.claims import Json

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_CURVES: Mapping[str, tuple[str, str]] = {
    "secp256r1": ("ES256", "P-256"),
    "secp384r1": ("ES384", "P-384"),
    "secp521r1": ("ES512", "P-521"),
}
#: Times and audiences are judged by `master.api.auth.service_account`, with Kubernetes' words.
_SIGNATURE_ONLY: Any = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}
#: A token beyond this is none of ours.
MAX_TOKEN_BYTES = 16 * 1024


class InvalidToken(ValueError):
    """Not a token that one of these keys signed; says why, never quotes it."""


class ServiceAccountKeys:
    """`signing_pem`: the private key. `further`: public keys (PEM) whose tokens are accepted too."""

    def __init__(self, signing_pem: bytes, further: Sequence[bytes] = ()) -> None:
        self._signing = load_key(signing_pem)
        public = self._signing.public_key()
        self._algorithm = _algorithm(public)
        self._id = key_id(public)
        self._verifying: dict[str, PublicKey] = {self._id: public}
        for pem in further:
            key = load_public_key(pem)
            self._verifying.setdefault(key_id(key), key)

    def sign(self, claims: Json) -> str:
        return jwt.encode(claims, self._signing, algorithm=self._algorithm, headers={"kid": self._id, "typ": None})

    def verify(self, token: str) -> Json:
        """The claims of a token whose signature holds; nothing else is checked. Raises InvalidToken."""
        if len(token) > MAX_TOKEN_BYTES:
            raise InvalidToken("the token is too long")
        try:
            named = jwt.get_unverified_header(token).get("kid")
        except jwt.PyJWTError as error:
            raise InvalidToken("not a JSON Web Token") from error
        candidates = [self._verifying[named]] if named in self._verifying else list(self._verifying.values())
        for key in candidates:
            try:
                claims: Json = jwt.decode(token, key, algorithms=[_algorithm(key)], options=_SIGNATURE_ONLY)
            except jwt.PyJWTError:
                continue
            return claims
        raise InvalidToken("no key of this cluster signed the token")

    def jwks(self) -> Json:
        """RFC 7517: the public keys, for who checks tokens by itself."""
        return {"keys": [_jwk(identity, key) for identity, key in self._verifying.items()]}

    @property
    def algorithms(self) -> list[str]:
        """The algorithms in use, as OIDC discovery lists them."""
        return sorted({_algorithm(key) for key in self._verifying.values()})


def unverified_issuer(token: str) -> str:
    """Whose token it says it is: to tell other tokens apart before anything is computed. "" when it is no JWT."""
    if token.count(".") != 2 or len(token) > MAX_TOKEN_BYTES:
        return ""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return ""
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) else ""


def public_pem(signing_pem: bytes) -> bytes:
    """The public half of a signing key, PEM. Raises PkiError."""
    return load_key(signing_pem).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def load_public_key(pem: bytes) -> PublicKey:
    """Raises PkiError for anything but an ECDSA key on a curve of NIST's or an RSA key."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiError("not a PEM public key") from error
    if isinstance(key, rsa.RSAPublicKey) or (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES):
        return key
    raise PkiError("not an RSA key and not ECDSA on P-256, P-384 or P-521")


def key_id(key: PublicKey) -> str:
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _base64url(hashlib.sha256(spki).digest())


def _algorithm(key: PublicKey) -> str:
    return "RS256" if isinstance(key, rsa.RSAPublicKey) else _CURVES[key.curve.name][0]


def _jwk(identity: str, key: PublicKey) -> Json:
    common = {"use": "sig", "kid": identity, "alg": _algorithm(key)}
    numbers = key.public_numbers()
    if isinstance(numbers, rsa.RSAPublicNumbers):
        return {**common, "kty": "RSA", "n": _integer(numbers.n), "e": _integer(numbers.e)}
    assert isinstance(key, ec.EllipticCurvePublicKey)
    size = (key.key_size + 7) // 8
    curve = _CURVES[key.curve.name][1]
    return {**common, "kty": "EC", "crv": curve, "x": _integer(numbers.x, size), "y": _integer(numbers.y, size)}


def _integer(value: int, size: int = 0) -> str:
    return _base64url(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
