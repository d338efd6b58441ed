"""gnostic's protobuf encoding of an OpenAPI version 2 document (openapi.v2.Document): what kubectl asks for.

A writer for exactly what `v2` makes. Field numbers: https://github.com/google/gnostic/blob/main/openapiv2/OpenAPIv2.proto.
Protobuf's wire format: a field is its number and wire type, then a varint, or a length and that many bytes.
"""

from collections.abc import Iterable
from typing import Any

import orjson

Json = dict[str, Any]

_VARINT, _BYTES = 0, 2
#: Operation fields of a PathItem.
_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}


def encode_document(document: Json) -> bytes:
    """The whole document."""
    info = document["info"]
    return b"".join(
        (
            _text(1, document["swagger"]),
            _part(2, _text(1, info["title"]) + _text(2, info["version"])),
            _part(8, b"".join(_part(2, _named(path, _path_item(item))) for path, item in document["paths"].items())),
            _part(9, _named_schemas(document["definitions"])),
        )
    )


def encode_more(document: Json) -> bytes:
    """Only paths and definitions, to be appended to an encoded document: protobuf merges them into it."""
    return b"".join(
        (
            _part(8, b"".join(_part(2, _named(path, _path_item(item))) for path, item in document["paths"].items())),
            _part(9, _named_schemas(document["definitions"])),
        )
    )


def _path_item(item: Json) -> bytes:
    operations = b"".join(_part(number, _operation(item[method])) for method, number in _METHODS.items() if method in item)
    return operations + b"".join(_part(9, _parameter(parameter)) for parameter in item.get("parameters", ()))


def _operation(operation: Json) -> bytes:
    responses = b"".join(_part(1, _named(code, _response(value))) for code, value in operation["responses"].items())
    return b"".join(
        (
            _text(3, operation["description"]),
            _text(5, operation["operationId"]),
            _texts(6, operation["produces"]),
            _texts(7, operation["consumes"]),
            b"".join(_part(8, _parameter(parameter)) for parameter in operation["parameters"]),
            _part(9, responses),
            _texts(10, operation["schemes"]),
            _extensions(13, operation),
        )
    )


def _parameter(parameter: Json) -> bytes:
    """A ParametersItem."""
    if parameter["in"] == "body":
        body = _text(2, parameter["name"]) + _text(3, "body") + _flag(4, parameter["required"])
        return _part(1, _part(1, body + _part(5, _schema(parameter["schema"]))))
    in_path = parameter["in"] == "path"
    fields = b"".join(
        (
            _flag(1, parameter.get("required", False)),
            _text(2, parameter["in"]),
            _text(3, parameter["description"]),
            _text(4, parameter["name"]),
            # A path's parameter has no allow_empty_value, which moves what follows.
            _text(5 if in_path else 6, parameter["type"]),
            _flag(19 if in_path else 20, parameter.get("uniqueItems", False)),
        )
    )
    return _part(1, _part(2, _part(4 if in_path else 3, fields)))


def _response(response: Json) -> bytes:
    """A ResponseValue."""
    schema = _part(2, _part(1, _schema(response["schema"]))) if "schema" in response else b""
    return _part(1, _text(1, response["description"]) + schema)


def _named_schemas(schemas: Json) -> bytes:
    """Definitions or Properties: both are lists of named schemas."""
    return b"".join(_part(1, _named(name, _schema(schema))) for name, schema in schemas.items())


def _schema(schema: Json) -> bytes:
    parts = [
        _text(1, schema.get("$ref", "")),
        _text(2, schema.get("format", "")),
        _text(4, schema.get("description", "")),
        _texts(19, schema.get("required", ())),
    ]
    if isinstance(additional := schema.get("additionalProperties"), dict):
        parts.append(_part(21, _part(1, _schema(additional))))
    if "type" in schema:
        parts.append(_part(22, _text(1, schema["type"])))
    if "items" in schema:
        parts.append(_part(23, _part(1, _schema(schema["items"]))))
    if "properties" in schema:
        parts.append(_part(25, _named_schemas(schema["properties"])))
    parts.append(_extensions(31, schema))
    return b"".join(parts)


def _extensions(number: int, value: Json) -> bytes:
    """Vendor extensions: NamedAny, whose value is YAML; JSON is YAML."""
    return b"".join(
        _part(number, _named(key, _part(2, orjson.dumps(item) + b"\n"))) for key, item in value.items() if key.startswith("x-")
    )


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + _part(2, value)


def _text(number: int, text: str) -> bytes:
    return _part(number, text.encode()) if text else b""


def _texts(number: int, texts: Iterable[str]) -> bytes:
    return b"".join(_part(number, text.encode()) for text in texts)


def _flag(number: int, flag: bool) -> bytes:
    return _varint(number << 3 | _VARINT) + b"\x01" if flag else b""


def _part(number: int, data: bytes) -> bytes:
    """A field of bytes: a message, or a string."""
    return _varint(number << 3 | _BYTES) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)
