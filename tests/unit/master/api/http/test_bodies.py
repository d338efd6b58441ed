"""Bodies that are no objects are the client's error, whatever they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.api.http.bodies import decode, decode_object
from master.client.errors import StatusError


def test_yaml_gives_the_values_of_json() -> None:
    text = b"a: 1\nb: [x, {c: null}]\nd: 2026-01-01T00:00:00Z\n1: one\ntrue: yes\n"
    assert decode(text, "application/yaml").value == {
        "a": 1,
        "b": ["x", {"c": None}],
        "d": "2026-01-01T00:00:00Z",
        "1": "one",
        "true": True,
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1:30", "1:30"),
        ("0x1f", 31),
        ("-7", -7),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("yes", True),
        ("~", None),
        ("1.2.3", "1.2.3"),
    ],
)
def test_plain_yaml_scalars_are_read_as_kubernetes_reads_them(text: str, value: object) -> None:
    assert decode(f"a: {text}\n".encode(), "application/yaml").value == {"a": value}


@pytest.mark.parametrize(
    "text",
    [
        b"a: &x [1]\nb: *x\n",
        b"a: !!python/object/apply:os.system [id]\n",
        b"a: [" * 2000,
        b"a: b: c",
        b"\x00",
        b"\xff\xfe",
        b"a: 1\n---\nb: 2\n",
        b"a: {<<: {b: 1}, c",
        b"a: !!binary aGk=",
        b"a: !!set {b, c}",
        b"{[1]: 2}",
    ],
)
def test_yaml_that_is_dangerous_or_broken_is_refused(text: bytes) -> None:
    with pytest.raises(StatusError) as caught:
        decode(text, "application/yaml")
    assert caught.value.code == 400


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 5000, b'{"a":1}x', b"nan", b'"\xff"'])
def test_broken_json_is_refused(text: bytes) -> None:
    with pytest.raises(StatusError) as caught:
        decode(text, "application/json")
    assert caught.value.code == 400


@pytest.mark.parametrize("text", [b"[]", b"1", b"null", b'"a"'])
def test_json_that_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(StatusError, match="cannot unmarshal"):
        decode_object(text, "application/json")


def test_a_field_that_comes_twice_is_noticed() -> None:
    assert decode(b'{"spec":{"a":1,"a":2}}', "application/json").duplicates == ["spec.a"]


def test_another_media_type_gets_415() -> None:
    with pytest.raises(StatusError) as caught:
        decode(b"", "text/plain")
    assert (caught.value.code, caught.value.reason) == (415, "UnsupportedMediaType")


MEDIA_TYPES = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]


@given(st.binary(max_size=300), st.sampled_from(MEDIA_TYPES))
def test_no_bytes_whatever_raise_anything_else(raw: bytes, media_type: str) -> None:
    try:
        decode(raw, media_type)
    except StatusError as error:
        assert error.code == 400  # noqa: PT017 - success is fine too
