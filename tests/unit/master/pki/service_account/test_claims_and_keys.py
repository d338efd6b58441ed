"""What stands in a service account token, and which keys it is believed from."""

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from master.pki.authority import generate_key, key_to_pem
from master.pki.service_account.claims import (
    Account,
    Bound,
    Claims,
    LegacyClaims,
    MalformedClaims,
    Ref,
    decode,
    encode,
    encode_legacy,
    new_claims,
)
from master.pki.service_account.keys import InvalidToken, ServiceAccountKeys, public_pem, unverified_issuer

ISSUER = "https://kubernetes.default.svc.cluster.local"
ACCOUNT = Account("team", "bob", "u-1")
BOUND = Bound(pod=Ref("p", "u-2"), node=Ref("n", "u-3"))


def _claims(*, seconds: int = 3600, bound: Bound = BOUND, audiences: tuple[str, ...] = (ISSUER,)) -> Claims:
    return new_claims(
        issuer=ISSUER,
        account=ACCOUNT,
        audiences=audiences,
        now=1000,
        seconds=seconds,
        bound=bound,
        api_audiences=(ISSUER,),
        identity="j",
    )


def test_claims_are_written_as_kubernetes_does() -> None:
    assert encode(_claims()) == {
        "aud": [ISSUER],
        "exp": 4600,
        "iat": 1000,
        "nbf": 1000,
        "iss": ISSUER,
        "jti": "j",
        "sub": "system:serviceaccount:team:bob",
        "kubernetes.io": {
            "namespace": "team",
            "serviceaccount": {"name": "bob", "uid": "u-1"},
            "pod": {"name": "p", "uid": "u-2"},
            "node": {"name": "n", "uid": "u-3"},
        },
    }


def test_a_mounted_token_for_the_api_lives_a_year_and_warns_after_its_hour() -> None:
    claims = _claims(seconds=3607)
    assert (claims.expires, claims.warn_after) == (1000 + 31_536_000, 1000 + 3607)


@pytest.mark.parametrize(
    ("seconds", "bound", "audiences"),
    [(3600, BOUND, (ISSUER,)), (3607, Bound(), (ISSUER,)), (3607, BOUND, ("vault",)), (3607, BOUND, (ISSUER, "vault"))],
)
def test_other_tokens_end_when_they_say(seconds: int, bound: Bound, audiences: tuple[str, ...]) -> None:
    claims = _claims(seconds=seconds, bound=bound, audiences=audiences)
    assert (claims.expires, claims.warn_after) == (1000 + seconds, 0)


def test_claims_survive_signing() -> None:
    keys = ServiceAccountKeys(key_to_pem(generate_key()))
    for claims in (_claims(), _claims(seconds=3607), _claims(bound=Bound(secret=Ref("s", "u")))):
        assert decode(keys.verify(keys.sign(encode(claims)))) == claims
    legacy = LegacyClaims(ACCOUNT, "secret")
    assert decode(keys.verify(keys.sign(encode_legacy(legacy)))) == legacy


def test_a_subject_that_is_not_the_account_s_is_malformed() -> None:
    with pytest.raises(MalformedClaims):
        decode({**encode(_claims()), "sub": "system:serviceaccount:team:root"})
    with pytest.raises(MalformedClaims):
        decode({"iss": ISSUER, "sub": "x"})


def test_an_earlier_key_s_tokens_are_accepted_and_a_stranger_s_are_not() -> None:
    old_pem, new_pem = key_to_pem(generate_key()), key_to_pem(generate_key())
    old_token = ServiceAccountKeys(old_pem).sign({"iss": ISSUER})
    assert ServiceAccountKeys(new_pem, [public_pem(old_pem)]).verify(old_token) == {"iss": ISSUER}
    with pytest.raises(InvalidToken):
        ServiceAccountKeys(new_pem).verify(old_token)


def test_an_altered_unsigned_or_symmetric_token_is_refused() -> None:
    pem = key_to_pem(generate_key())
    keys = ServiceAccountKeys(pem)
    head, body, signature = keys.sign({"iss": ISSUER}).split(".")
    other = jwt.encode({"iss": ISSUER, "sub": "root"}, "x" * 32, algorithm="HS256")
    for token in (
        f"{head}.{other.split('.')[1]}.{signature}",
        jwt.encode({"iss": ISSUER}, "", algorithm="none"),
        other,
        f"{head}.{body}.",
        "a.b.c",
        "x" * 20_000,
    ):
        with pytest.raises(InvalidToken):
            keys.verify(token)


def test_the_published_keys_verify_tokens() -> None:
    pem = key_to_pem(generate_key())
    rsa_pem = rsa.generate_private_key(65537, 2048).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    keys = ServiceAccountKeys(pem, [public_pem(pem), rsa_pem])
    token = keys.sign({"iss": ISSUER})
    published = jwt.PyJWKSet.from_dict(keys.jwks())
    assert [key.key_type for key in published.keys] == ["EC", "RSA"]
    key = published[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, algorithms=["ES256"]) == {"iss": ISSUER}
    assert keys.algorithms == ["ES256", "RS256"]


def test_the_issuer_is_read_from_anything() -> None:
    keys = ServiceAccountKeys(key_to_pem(generate_key()))
    assert unverified_issuer(keys.sign({"iss": ISSUER})) == ISSUER
    for text in ("", "abcdef.0123456789abcdef", "a.b.c", ".."):
        assert unverified_issuer(text) == ""
