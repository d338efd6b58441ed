"""SPDY/3.1 frames survive a round trip in any pieces, and nothing malformed gets past the decoder."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.api.streaming.spdy_frames import (
    DICTIONARY,
    MAX_FRAME_BYTES,
    Data,
    Decoder,
    Encoder,
    Frame,
    GoAway,
    Ping,
    ProtocolError,
    RstStream,
    SynReply,
    SynStream,
)

_ids = st.integers(1, 0x7FFFFFFF)
_text = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), max_size=30)
_headers = st.dictionaries(_text.map(str.lower), _text, max_size=5)
_frames = st.one_of(
    st.builds(SynStream, _ids, _headers, st.booleans()),
    st.builds(SynReply, _ids, _headers, st.booleans()),
    st.builds(RstStream, _ids, st.integers(0, 100)),
    st.builds(Ping, st.integers(0, 0xFFFFFFFF)),
    st.builds(GoAway, _ids, st.integers(0, 2)),
    st.builds(Data, _ids, st.binary(max_size=200), st.booleans()),
)


def test_dictionary_is_the_one_of_the_specification() -> None:
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2  # the id that every SPDY/3 implementation puts into its first header block


@given(frames=st.lists(_frames, max_size=8), cut=st.integers(1, 50))
def test_frames_arrive_as_they_were_sent_whatever_the_pieces(frames: list[Frame], cut: int) -> None:
    encoder, decoder = Encoder(), Decoder()
    sent = b"".join(encoder.encode(frame) for frame in frames)
    received = [frame for at in range(0, len(sent), cut) for frame in decoder.feed(sent[at : at + cut])]
    assert received == frames


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_decoded_never_a_crash(data: bytes) -> None:
    try:
        list(Decoder().feed(data))
    except ProtocolError:
        pass


def test_an_oversized_frame_is_refused_before_it_is_buffered() -> None:
    with pytest.raises(ProtocolError, match="exceeds"):
        list(Decoder().feed(struct.pack(">II", 1, MAX_FRAME_BYTES + 1)))


def test_a_header_bomb_is_refused() -> None:
    deflate = zlib.compressobj(zdict=DICTIONARY)
    block = deflate.compress(b"\0" * (1 << 20)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    payload = struct.pack(">IIH", 1, 0, 0) + block
    frame = struct.pack(">HHI", 0x8003, 1, len(payload)) + payload
    with pytest.raises(ProtocolError, match="exceeds"):
        list(Decoder().feed(frame))
