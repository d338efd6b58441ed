"""Envelopes: what packs unpacks, and nothing else does."""

import contextlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.envelope import MAX_ENVELOPE_BYTES, Envelope, MalformedMessage
from proto.version import WIRE_VERSION

envelopes = st.builds(
    Envelope,
    kind=st.text(max_size=20),
    epoch=st.integers(0, 2**63),
    revision=st.integers(0, 2**63),
    uid=st.text(max_size=40),
    body=st.binary(max_size=200),
    signature=st.binary(max_size=64),
)


@given(envelopes)
def test_what_packs_unpacks(envelope: Envelope) -> None:
    assert Envelope.unpack(envelope.pack()) == envelope


@given(st.binary(max_size=300))
def test_any_bytes_unpack_or_are_malformed(payload: bytes) -> None:
    with contextlib.suppress(MalformedMessage):
        assert isinstance(Envelope.unpack(payload), Envelope)


@given(envelopes, st.data())
def test_a_cut_payload_is_malformed(envelope: Envelope, data: st.DataObject) -> None:
    payload = envelope.pack()
    cut = data.draw(st.integers(0, len(payload) - 1))
    with pytest.raises(MalformedMessage):
        Envelope.unpack(payload[:cut])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        [],
        [WIRE_VERSION + 1, "Leader", 0, 0, "", b"", b""],
        [True, "Leader", 0, 0, "", b"", b""],
        [1.0, "Leader", 0, 0, "", b"", b""],
        [WIRE_VERSION, "Leader", 0, 0, "", b""],
        [WIRE_VERSION, "Leader", -1, 0, "", b"", b""],
        [WIRE_VERSION, "Leader", 0, True, "", b"", b""],
        [WIRE_VERSION, "Leader", 0, 1.5, "", b"", b""],
        [WIRE_VERSION, b"Leader", 0, 0, "", b"", b""],
        [WIRE_VERSION, "Leader", 0, 0, "", "text", b""],
        [WIRE_VERSION, "Leader", 0, 0, "", b"", None],
    ],
)
def test_wrong_fields_are_malformed(fields: object) -> None:
    with pytest.raises(MalformedMessage):
        Envelope.unpack(msgpack.packb(fields))


def test_too_large_is_malformed_before_it_is_read() -> None:
    with pytest.raises(MalformedMessage, match="exceed"):
        Envelope.unpack(b"\x00" * (MAX_ENVELOPE_BYTES + 1))


def test_deep_nesting_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        Envelope.unpack(b"\x91" * 100_000 + b"\xc0")


@given(envelopes, st.text(max_size=10), st.text(max_size=10))
def test_signed_bytes_tell_topics_apart(envelope: Envelope, one: str, other: str) -> None:
    assert (envelope.signed_bytes(one) == envelope.signed_bytes(other)) is (one == other)
