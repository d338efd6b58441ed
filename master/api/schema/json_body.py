"""Decodes a request's JSON body and finds the fields that it gives twice.

JSON parsers keep the last of two equal keys; Kubernetes' strict field validation reports them. Looking for them costs little:
a body that encodes back to the same bytes has none, and what Go's and Python's encoders write does, but for blanks. Blanks are
left out of both sides, also those inside of strings: what is left of either is JSON still, with as many members as before, and
a body with a duplicate has more of them than what was decoded of it.
"""

import json
from typing import Any

import orjson

#: What may stand between tokens.
_BLANKS = b" \t\r\n"


class MalformedJson(ValueError):
    """Bytes that are not JSON; says what is wrong where."""


class _Twice(dict[str, Any]):
    """An object that had these keys more than once."""

    repeated: tuple[str, ...] = ()


def decode_json(body: bytes) -> tuple[Any, list[str]]:
    """The value, and the paths of duplicate fields ("spec.replicas"). Raises MalformedJson."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedJson(str(error)) from error
    try:
        encoded = orjson.dumps(value)
    except TypeError as error:  # orjson reads four times as deep as it writes
        raise MalformedJson("exceeded max depth") from error
    if encoded == body or encoded.translate(None, _BLANKS) == body.translate(None, _BLANKS):
        return value, []
    try:
        noted = json.loads(body, object_pairs_hook=_note)
    except RecursionError as error:
        raise MalformedJson("too deeply nested") from error
    duplicates: list[str] = []
    _collect(noted, "", duplicates)
    return value, duplicates


def _note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    noted = _Twice(plain)
    seen: set[str] = set()
    repeated: dict[str, None] = {}
    for key, _ in pairs:
        if key in seen:
            repeated[key] = None
        seen.add(key)
    noted.repeated = tuple(repeated)
    return noted


def _collect(value: Any, path: str, duplicates: list[str]) -> None:
    if isinstance(value, _Twice):
        duplicates.extend(f"{path}.{key}" if path else key for key in value.repeated)
    if isinstance(value, dict):
        for key, item in value.items():
            _collect(item, f"{path}.{key}" if path else key, duplicates)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _collect(item, f"{path}[{index}]", duplicates)
