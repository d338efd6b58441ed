"""Duplicate fields of JSON bodies: found in every way of writing them, and never where there are none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.api.schema.json_body import MalformedJson, decode_json

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("body", "duplicates"),
    [
        (b'{"a":1,"a":2}', ["a"]),
        (b'{ "a" : 1 , "a" : 1 }\n', ["a"]),
        (b'{"a": {"b": [ {"c": 1, "c": 1} ]}}', ["a.b[0].c"]),
        (b'{"a":1,"\\u0061":2}', ["a"]),
        (b'{"a":{"x":1,"y":2},"a":{"x":1,"y":2}}', ["a"]),
        (b'{"a b": 1, "ab": 2}', []),
        (b'{"ab": 1, "a b": 2, "ab": 1}', ["ab"]),
        (b'{"a": 1E5, "b": "\\u003c"}\n', []),
        (b'{\n  "a": "x  y",\n\t"b": []\r\n}', []),
    ],
)
def test_duplicates_are_found_whatever_blanks_stand_between(body: bytes, duplicates: list[str]) -> None:
    assert decode_json(body) == (json.loads(body), duplicates)


@given(_VALUES, st.sampled_from([None, 1, 3]), st.booleans())
def test_what_an_encoder_writes_has_no_duplicates(value: Any, indent: int | None, ascii_only: bool) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        decoded, duplicates = decode_json(body)
    except MalformedJson:
        assert any(0xD800 <= ord(letter) < 0xE000 for letter in json.dumps(value, ensure_ascii=False))
        return
    assert (decoded, duplicates) == (json.loads(body), [])


@given(st.lists(st.tuples(st.text(" ab", min_size=1, max_size=2), st.text(" x", max_size=2)), max_size=6), st.booleans())
def test_members_that_differ_in_blanks_alone_are_told_apart(pairs: list[tuple[str, str]], spaced: bool) -> None:
    separator = ", " if spaced else ","
    body = "{" + separator.join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in pairs) + "}"
    names = [key for key, _ in pairs]
    _, duplicates = decode_json(body.encode())
    assert sorted(duplicates) == sorted({name for name in names if names.count(name) > 1})
