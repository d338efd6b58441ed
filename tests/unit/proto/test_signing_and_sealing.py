"""Signatures bind an order to its topic and content; sealed bytes open only with their key in their context."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proto import sealing
from proto.envelope import Envelope
from proto.sealing import Unsealable, seal, seal_object, unseal, unseal_object
from proto.signing import Forged, Signer, Verifier

SIGNER = Signer(Signer.generate())
VERIFIER = Verifier(SIGNER.public_key)
KEY = sealing.generate_key()
ENVELOPE = Envelope("ObjectOrder", 1, 2, "uid", b"body")


def test_a_signature_holds_on_its_topic_after_the_wire() -> None:
    signed = Envelope.unpack(SIGNER.sign(ENVELOPE, "t").pack())
    VERIFIER.verify(signed, "t")


@pytest.mark.parametrize(
    "other",
    [
        Envelope("NodeOrder", 1, 2, "uid", b"body"),
        Envelope("ObjectOrder", 2, 2, "uid", b"body"),
        Envelope("ObjectOrder", 1, 3, "uid", b"body"),
        Envelope("ObjectOrder", 1, 2, "uid2", b"body"),
        Envelope("ObjectOrder", 1, 2, "uid", b"bodz"),
    ],
)
def test_a_signature_does_not_hold_for_anything_else(other: Envelope) -> None:
    signature = SIGNER.sign(ENVELOPE, "t").signature
    with pytest.raises(Forged):
        VERIFIER.verify(other.with_signature(signature), "t")


def test_a_signature_does_not_hold_on_another_topic_or_by_another_key_or_when_missing() -> None:
    for envelope, topic in (
        (SIGNER.sign(ENVELOPE, "t"), "u"),
        (Signer(Signer.generate()).sign(ENVELOPE, "t"), "t"),
        (ENVELOPE, "t"),
        (ENVELOPE.with_signature(b"x" * 64), "t"),
    ):
        with pytest.raises(Forged):
            VERIFIER.verify(envelope, topic)


@given(st.binary(max_size=100))
def test_what_is_sealed_unseals(plain: bytes) -> None:
    assert unseal(seal(plain, sealing.public_key(KEY), "c"), KEY, "c") == plain


@settings(max_examples=60)
@given(st.data())
def test_a_changed_bit_a_cut_another_key_or_context_does_not_unseal(data: st.DataObject) -> None:
    sealed = seal(b"secret", sealing.public_key(KEY), "c")
    position = data.draw(st.integers(0, len(sealed) * 8 - 1))
    flipped = bytearray(sealed)
    flipped[position // 8] ^= 1 << position % 8
    cut = sealed[: data.draw(st.integers(0, len(sealed) - 1))]
    # RFC 7748 ignores the highest bit of a public key; it is still bound in, as the salt of the key.
    for changed, key, context in (
        (bytes(flipped), KEY, "c"),
        (cut, KEY, "c"),
        (sealed, sealing.generate_key(), "c"),
        (sealed, KEY, "d"),
    ):
        with pytest.raises(Unsealable):
            unseal(changed, key, context)


def test_sealing_twice_differs_and_shows_nothing() -> None:
    one, two = (seal(b"secret", sealing.public_key(KEY), "c") for _ in range(2))
    assert one != two
    assert b"secret" not in one


def test_objects_survive_and_a_sealed_non_object_is_refused_without_quoting_it() -> None:
    value = {"metadata": {"name": "s"}, "data": {"k": "dg=="}}
    assert unseal_object(seal_object(value, sealing.public_key(KEY), "c"), KEY, "c") == value
    with pytest.raises(Unsealable) as caught:
        unseal_object(seal(b"canary{", sealing.public_key(KEY), "c"), KEY, "c")
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_low_order_point_is_unsealable() -> None:
    with pytest.raises(Unsealable):
        unseal(b"\x00" * 32 + b"\x00" * 40, KEY, "c")
