"""Reads and decodes request bodies: bounded in size and time; JSON, YAML or protobuf. Whatever is wrong is the client's error.

YAML is read without tags, aliases (a billion laughs) or great depth, and gives the values that JSON would.
"""

import asyncio
import contextlib
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import yaml
from aiohttp import web
from yaml._yaml import CParser

from master.api.auth.protocol import UserInfo
from master.api.flowcontrol.turns import Turns
from master.api.protobuf.decoder import MEDIA_TYPE, MalformedProtobuf, decode_protobuf
from master.api.schema.json_body import MalformedJson, decode_json
from master.client.errors import StatusError, bad_request

PROTOBUF_TYPE = MEDIA_TYPE
JSON_TYPES = frozenset({"", "application/json"})
YAML = "application/yaml"
YAML_TYPES = frozenset({YAML, "application/x-yaml", "text/yaml"})
#: What a body may be written in, as an error lists it.
ACCEPTED = ("application/json", "application/yaml", PROTOBUF_TYPE)
_MAX_DEPTH = 100
#: YAML bodies longer than this are read in a thread.
_OFF_LOOP_BYTES = 4 * 1024
_long_yaml = Turns("yaml")


async def read(request: web.Request, *, limit: int, seconds: float) -> bytes:
    """The whole body. Raises StatusError 413, or 400 when it ends early or takes too long."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise StatusError(415, "UnsupportedMediaType", "the body of the request must not be compressed")
    if request.content_length is not None and request.content_length > limit:
        raise too_large(limit)
    if request.content.is_eof() and request.content.exception() is None:
        # Most bodies come with their heads: nothing to wait for.
        whole = request.content.read_nowait()
        if len(whole) > limit:
            raise too_large(limit)
        return whole
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > limit:
                    raise too_large(limit)
                chunks.append(chunk)
    except TimeoutError:
        raise StatusError(408, "Timeout", f"the request body did not arrive within {seconds:g} seconds") from None
    except (web.RequestPayloadError, ConnectionError) as error:
        raise bad_request("unexpected EOF") from error
    return b"".join(chunks)


def too_large(limit: int) -> StatusError:
    return StatusError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def content_type(request: web.Request) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def is_accepted(media_type: str) -> bool:
    return media_type in JSON_TYPES or media_type in YAML_TYPES or media_type == PROTOBUF_TYPE


def unsupported(*accepted: str) -> StatusError:
    listed = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {listed}"
    return StatusError(415, "UnsupportedMediaType", message)


class Decoded(msgspec.Struct, frozen=True):
    """A body, and what a strict reader finds in it: paths of fields that JSON has twice, or what YAML repeats and where."""

    value: Any
    duplicates: Sequence[str] = ()
    repeated_keys: Sequence[str] = ()


async def decode_sent(raw: bytes, media_type: str, user: UserInfo) -> Decoded:
    """`decode_object` of what a client sent, without keeping others waiting: YAML takes far longer than JSON.

    One long YAML body is read at a time, those of several users in turn. Raises StatusError 400, 415 or 429.
    """
    if media_type not in YAML_TYPES or len(raw) <= _OFF_LOOP_BYTES:
        return decode_object(raw, media_type)
    return await _long_yaml.run(user.name, lambda: decode_object(raw, media_type))


def decode_object(raw: bytes, media_type: str) -> Decoded:
    """An object. Raises StatusError 400 or 415."""
    decoded = decode(raw, media_type)
    if not isinstance(decoded.value, dict):
        what = go_type(decoded.value)
        raise bad_request(f"couldn't get version/kind; json parse error: json: cannot unmarshal {what} into Go value")
    return decoded


def decode(raw: bytes, media_type: str) -> Decoded:
    """Any value. Raises StatusError 400 or 415."""
    if media_type in JSON_TYPES:
        try:
            value, duplicates = decode_json(raw)
        except MalformedJson as error:
            raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error
        return Decoded(value, duplicates)
    if media_type in YAML_TYPES:
        return _decode_yaml(raw)
    if media_type == PROTOBUF_TYPE:
        try:
            return Decoded(decode_protobuf(raw))
        except MalformedProtobuf as error:
            raise bad_request(f"unable to decode the protobuf body: {error}") from error
    raise unsupported(*ACCEPTED)


def _decode_yaml(raw: bytes) -> Decoded:
    """One YAML document. Raises StatusError 400."""
    if raw.lstrip()[:1] == b"{":
        # JSON is YAML too, and kubectl sends it as such: a reader of JSON is much faster.
        with contextlib.suppress(MalformedJson):
            value, duplicates = decode_json(raw)
            return Decoded(value, repeated_keys=[_repeated(path.rpartition(".")[2], 1) for path in duplicates])
    loader = _Loader(raw) if _printable(raw) else None
    if loader is None:
        raise bad_request("error converting YAML to JSON: yaml: control characters are not allowed")
    try:
        return Decoded(loader.get_single_data(), repeated_keys=loader.repeated)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise bad_request(f"error converting YAML to JSON: {_one_line(error)}") from error
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """SafeLoader without aliases, merge keys, time stamps and depth; keys are strings, as in JSON.

    libyaml scans and parses: four times as fast as Python's.
    """

    def __init__(self, raw: bytes) -> None:
        super().__init__(b"")
        self._events = CParser(raw)
        self._depth = 0
        self.repeated: list[str] = []

    def check_event(self, *choices: Any) -> bool:
        return bool(self._events.check_event(*choices))

    def peek_event(self) -> Any:
        return self._events.peek_event()

    def get_event(self) -> Any:
        return self._events.get_event()

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases are not accepted")
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise yaml.YAMLError(f"nested deeper than {_MAX_DEPTH}")
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        # Keys become strings before they are compared: 1 and true are different ones in JSON.
        mapping = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | None):
                raise yaml.YAMLError("a mapping's key must be a scalar")
            name = _key(key)
            if name in mapping:
                self.repeated.append(_repeated(name, key_node.start_mark.line + 1))
            mapping[name] = self.construct_object(value_node, deep=deep)
        return mapping


_TAG = "tag:yaml.org,2002:"
#: Tags that JSON has too; binary, sets, time stamps and the like are refused.
_Loader.yaml_constructors = {
    tag: construct
    for tag, construct in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or tag.removeprefix(_TAG) in ("null", "bool", "int", "float", "str", "seq", "map")
}
#: As Kubernetes' YAML reader: time stamps are strings, and so is 1:30, which YAML 1.1 means as base 60.
_PLAIN = {
    "int": re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|(?:0|[1-9][0-9_]*)|0x[0-9a-fA-F_]+)\Z"),
    "float": re.compile(
        r"(?:[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
    ),
}
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, _PLAIN.get(tag.removeprefix(_TAG), pattern))
        for tag, pattern in resolvers
        if tag.removeprefix(_TAG) not in ("timestamp", "merge", "value")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _repeated(key: str, line: int) -> str:
    return f'line {line}: key "{key}" already set in map'


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)


def _printable(raw: bytes) -> bool:
    try:
        return not yaml.reader.Reader.NON_PRINTABLE.search(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return False


def _one_line(error: Exception) -> str:
    return "yaml: " + " ".join(str(error).split())


def go_type(value: Any) -> str:
    """What Go's JSON decoder calls a value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    return "array" if isinstance(value, list) else "null"
