"""Decodes Kubernetes' protobuf: the magic number, runtime.Unknown, and in it one object, to the JSON that means the same.

Bounded by the body's size and a depth; whatever does not fit raises MalformedProtobuf. Fields that the table lacks are
skipped, as protobuf wants.
Sources: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding, https://protobuf.dev/programming-guides/encoding/
"""

import base64
import json
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import Any

Json = dict[str, Any]
_Fields = dict[int, tuple[str, str, bool]]

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_MAX_DEPTH = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
#: Kinds of which every group has its own alias.
_META_KINDS = frozenset({"DeleteOptions", "Status"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class MalformedProtobuf(ValueError):
    """Bytes that are no object of a known kind in Kubernetes' encoding; says why."""


def decode_protobuf(body: bytes) -> Json:
    """One object as JSON, with its apiVersion and kind. Raises MalformedProtobuf."""
    if not body.startswith(_MAGIC):
        raise MalformedProtobuf("the body does not start with the magic number of Kubernetes' protobuf")
    api_version = kind = ""
    raw = b""
    for number, value in _fields(memoryview(body)[len(_MAGIC) :]):
        if number == 1:
            meta = {inner: _text(content) for inner, content in _fields(_bytes(value))}
            api_version, kind = meta.get(1, ""), meta.get(2, "")
        elif number == 2:
            raw = bytes(_bytes(value))
        elif number == 3 and len(_bytes(value)):
            raise MalformedProtobuf("a content encoding is not accepted")
    name = _message_of(api_version, kind)
    if name is None:
        raise MalformedProtobuf(f'no kind "{kind}" is registered for version "{api_version}"')
    return {"apiVersion": api_version, "kind": kind, **_message(name, memoryview(raw), 0)}


def _message_of(api_version: str, kind: str) -> str | None:
    group, _, version = api_version.rpartition("/")
    folder = group.removesuffix(".k8s.io").removesuffix(".authorization").partition(".")[0] or "core"
    name = f"meta/v1.{kind}" if kind in _META_KINDS else f"{folder}/{version}.{kind}"
    return name if name in _messages() else None


@lru_cache(maxsize=1)
def _messages() -> dict[str, _Fields]:
    text = resources.files("master.api.protobuf").joinpath("messages.json").read_text(encoding="utf-8")
    return {
        name: {int(number): (field[0], field[1], bool(field[2])) for number, field in fields.items()}
        for name, fields in json.loads(text).items()
    }


def _message(name: str, data: memoryview, depth: int) -> Json:
    if depth > _MAX_DEPTH:
        raise MalformedProtobuf(f"nested deeper than {_MAX_DEPTH}")
    table = _messages()[name]
    obj: Json = {}
    for number, value in _fields(data):
        field = table.get(number)
        if field is None:
            continue
        json_name, kind, omit_zero = field
        if kind.startswith("[]"):
            obj.setdefault(json_name, []).append(_value(kind[2:], value, depth))
            continue
        if kind.startswith("{}"):
            key, item = _map_entry(kind[2:], value, depth)
            obj.setdefault(json_name, {})[key] = item
            continue
        decoded = _value(kind, value, depth)
        if not json_name:
            obj.update(decoded)
        elif decoded is not None and not (omit_zero and not isinstance(decoded, dict) and not decoded):
            obj[json_name] = decoded
    return obj


def _map_entry(kind: str, value: Any, depth: int) -> tuple[str, Any]:
    key = ""
    item: Any = _zero(kind)
    for number, content in _fields(_bytes(value)):
        if number == 1:
            key = _text(content)
        elif number == 2:
            item = _value(kind, content, depth)
    return key, item


def _zero(kind: str) -> Any:
    """The value of a map entry that leaves its value out."""
    return {"string": "", "bytes": "", "bool": False, "int": 0, "uint": 0, "double": 0.0, "quantity": "0"}.get(kind, {})


def _value(kind: str, value: Any, depth: int) -> Any:
    scalar = _SCALARS.get(kind)
    if scalar is not None:
        return scalar(value)
    if kind.startswith("items:[]"):
        return [_value(kind[8:], item, depth) for number, item in _fields(_bytes(value)) if number == 1]
    if kind.startswith("or:"):
        return _alternative(_message(kind[3:], _bytes(value), depth + 1))
    return _message(kind, _bytes(value), depth + 1)


def _alternative(fields: Json) -> Any:
    """What a schema-or-list or schema-or-bool of a CRD is: the list if it has one, else the schema, else the bool."""
    for item in fields.values():
        if isinstance(item, list):
            return item
    return fields.get("schema", fields.get("allows"))


def _text(value: Any) -> str:
    try:
        return bytes(_bytes(value)).decode()
    except UnicodeDecodeError as error:
        raise MalformedProtobuf("a string is not UTF-8") from error


def _integer(value: Any) -> int:
    number = _unsigned(value)
    return number - (1 << 64) if number >= 1 << 63 else number


def _unsigned(value: Any) -> int:
    if not isinstance(value, int):
        raise MalformedProtobuf("a number has another wire type")
    return value


def _double(value: Any) -> float:
    return float(struct.unpack("<d", bytes(_bytes(value)))[0])


def _base64(value: Any) -> str:
    return base64.b64encode(_bytes(value)).decode()


def _raw(value: Any) -> Any:
    """runtime.RawExtension and FieldsV1: JSON inside of a message."""
    for number, content in _fields(_bytes(value)):
        if number == 1 and len(_bytes(content)):
            try:
                return json.loads(bytes(_bytes(content)))
            except (ValueError, RecursionError) as error:
                raise MalformedProtobuf("an embedded object is not JSON") from error
    return None


def _quantity(value: Any) -> str:
    for number, content in _fields(_bytes(value)):
        if number == 1:
            return _text(content) or "0"
    return "0"


def _int_or_string(value: Any) -> int | str:
    fields = dict(_fields(_bytes(value)))
    if fields.get(1, 0) == 1:
        return _text(fields.get(3, memoryview(b"")))
    return _integer(fields.get(2, 0))


def _time(value: Any) -> str | None:
    """metav1.Time and MicroTime; an empty one is null."""
    fields = dict(_fields(_bytes(value)))
    if not fields:
        return None
    try:
        at = _EPOCH + timedelta(seconds=_integer(fields.get(1, 0)), microseconds=_integer(fields.get(2, 0)) // 1000)
    except OverflowError as error:
        raise MalformedProtobuf("a time is out of range") from error
    fraction = f".{at.microsecond:06d}" if at.microsecond else ""
    return at.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"


def _duration(value: Any) -> str:
    fields = dict(_fields(_bytes(value)))
    return f"{_integer(fields.get(1, 0)) / 1e9:g}s"


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "string": _text, "bool": lambda value: bool(_integer(value)), "int": _integer, "uint": _unsigned, "double": _double,
    "bytes": _base64, "raw": _raw, "quantity": _quantity, "intOrString": _int_or_string, "time": _time,
    "duration": _duration,
}  # fmt: skip


def _bytes(value: Any) -> memoryview:
    if not isinstance(value, memoryview):
        raise MalformedProtobuf("a field has another wire type")
    return value


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """The fields of a message: numbers as int, all else as bytes."""
    position, end = 0, len(data)
    while position < end:
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise MalformedProtobuf("field number 0")
        if wire == _VARINT:
            value, position = _varint(data, position)
            yield number, value
            continue
        if wire == _BYTES:
            size, position = _varint(data, position)
        elif wire == _FIXED64:
            size = 8
        elif wire == _FIXED32:
            size = 4
        else:
            raise MalformedProtobuf(f"wire type {wire} is not accepted")
        if size > end - position:
            raise MalformedProtobuf("unexpected EOF")
        yield number, data[position : position + size]
        position += size


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if position >= len(data):
            raise MalformedProtobuf("unexpected EOF")
        if shift > 63:
            raise MalformedProtobuf("a number is longer than 64 bits")
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return result & 0xFFFFFFFFFFFFFFFF, position
        shift += 7
