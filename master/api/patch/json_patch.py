"""JSON Patch, RFC 6902: a list of operations, applied in order, all or none; as the library reads it that Kubernetes uses.

Where that one is more lenient than the RFC, so is this: an index may be negative (-1 is the last) or have a sign or zeros
before it, `replace` sets a member that is not there, a missing member is null to `test` and `copy`, what stands before the
first slash of a path is ignored. What all operations copy together is bounded: a copy of a copy doubles.

Source: github.com/evanphx/json-patch (v4); k8s.io/apiserver pkg/endpoints/handlers/patch.go, pkg/server/config.go (limits).
"""

import re
from collections.abc import Sequence
from typing import Any

import orjson

from master.client.errors import StatusError, bad_request

#: As many as Kubernetes' API server applies.
MAX_OPERATIONS = 10_000
#: Bytes that the copy operations of one patch may add together.
MAX_COPIED = 3 * 1024 * 1024

_MEMBERS = ("op", "path", "from", "value")
_INDEX = re.compile(r"[+-]?[0-9]{1,18}\Z", re.ASCII)


class _Failed(Exception):
    """An operation that cannot be applied; says why."""


def apply_json_patch(document: Any, operations: Any) -> Any:
    """The patched document. Raises StatusError: 400 for what is no JSON patch, 413 for too many operations, 422 for an
    operation that fails.
    """
    checked = _checked(operations)
    number = 0
    try:
        patching = _Patching(_copy(document))
        for operation in checked:
            patching.apply(operation)
            number += 1
        # Operations may have put parts into each other until nobody can walk through them.
        _size(patching.document)
    except _Failed as error:
        # Kubernetes' message; the cause is wherry's addition, and kubectl prints it.
        cause = {"reason": "FieldValueInvalid", "field": f"patch[{number}]", "message": str(error)}
        message = "the server rejected our request due to an error in our request"
        raise StatusError(422, "Invalid", message, details={"causes": [cause]}) from error
    return patching.document


def unknown_members(operations: Any) -> list[str]:
    """Members that no operation has, as strict field validation names them."""
    return [
        f'json patch unknown field "[{number}].{name}"'
        for number, operation in enumerate(operations)
        if isinstance(operation, dict)
        for name in operation
        if name not in _MEMBERS
    ]


def _checked(operations: Any) -> Sequence[dict[str, Any]]:
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp")
    for operation in operations:
        if not isinstance(operation, dict):
            what = _json_name(operation)
            raise bad_request(
                f"error decoding patch: json: cannot unmarshal {what} into Go value of type handlers.jsonPatchOp"
            )
        for member in ("op", "path", "from"):
            value = operation.get(member)
            if value is not None and not isinstance(value, str):
                where = f"Go struct field jsonPatchOp.{member} of type string"
                raise bad_request(f"error decoding patch: json: cannot unmarshal {_json_name(value)} into {where}")
    if len(operations) > MAX_OPERATIONS:
        raise StatusError(
            413,
            "RequestEntityTooLarge",
            "Request entity is too large: The allowed maximum operations in a JSON patch is "
            f"{MAX_OPERATIONS}, got {len(operations)}",
        )
    return operations


def _json_name(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}
    return names.get(type(value), "null")


class _Patching:
    """A document while it is patched."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self._copied = 0

    def apply(self, operation: dict[str, Any]) -> None:
        name, path = operation.get("op") or "", operation.get("path")
        if name not in ("add", "remove", "replace", "move", "copy", "test"):
            raise _Failed(f"Unexpected kind: {name}")
        if path is None:
            raise _Failed(f"{name} operation failed to decode path: missing value")
        match name:
            case "add":
                self._add(path, _copy(operation.get("value")), name)
            case "remove":
                parent, key = self._parent(path, name)
                _remove(parent, key)
            case "replace":
                self._replace(path, _copy(operation.get("value")))
            case "test":
                self._test(path, operation.get("value"))
            case _:
                self._transfer(name, operation.get("from"), path)

    def _add(self, path: str, value: Any, name: str) -> None:
        parent, key = self._parent(path, name)
        if isinstance(parent, dict):
            parent[key] = value
        else:
            parent.insert(len(parent) if key == "-" else _index(key, len(parent) + 1), value)

    def _replace(self, path: str, value: Any) -> None:
        if path == "":
            if not isinstance(value, dict | list):
                raise _Failed("replace operation value must be object or array")
            self.document = value
            return
        parent, key = self._parent(path, "replace")
        if isinstance(parent, dict):
            parent[key] = value
        else:
            parent[_index(key, len(parent))] = value

    def _test(self, path: str, wanted: Any) -> None:
        if path == "":
            found = self.document
        else:
            parent, key = self._parent(path, "test")
            found = _get(parent, key)
        if not equal(found, wanted):
            raise _Failed(f"testing value {path} failed: test failed")

    def _transfer(self, name: str, source: str | None, path: str) -> None:
        if source is None:
            raise _Failed(f"{name} operation failed to decode from: missing value")
        parent, key = self._parent(source, name)
        value = _get(parent, key)
        if name == "move":
            _remove(parent, key)
        else:
            value = _copy(value)
            self._copied += _size(value)
            if self._copied > MAX_COPIED:
                raise _Failed(
                    f"Unable to complete the copy, the accumulated size increase of copy is larger than {MAX_COPIED}"
                )
        self._add(path, value, name)

    def _parent(self, path: str, name: str) -> tuple[Any, str]:
        """What holds the place of a path, and the place's key in it."""
        steps = path.split("/")[1:]
        node = self.document
        missing = _Failed(f"{name} operation does not apply: doc is missing path: {path}: missing value")
        if not steps:
            raise missing
        for step in steps[:-1]:
            if not isinstance(node, dict | list):
                raise missing
            node = _get(node, _unescaped(step))
        if not isinstance(node, dict | list):
            raise missing
        return node, _unescaped(steps[-1])


def equal(one: Any, other: Any) -> bool:
    """Equality of JSON values: true is not 1, 1.0 is 1 (RFC 6902, section 4.6)."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(equal(left, right) for left, right in zip(one, other, strict=True))
    return bool(one == other)


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")


def _get(parent: Any, key: str) -> Any:
    """A member (null when there is none) or an item."""
    return parent.get(key) if isinstance(parent, dict) else parent[_index(key, len(parent))]


def _remove(parent: Any, key: str) -> None:
    if isinstance(parent, dict):
        if key not in parent:
            raise _Failed(f"Unable to remove nonexistent key: {key}: missing value")
        del parent[key]
    else:
        del parent[_index(key, len(parent))]


def _index(token: str, length: int) -> int:
    """The place that a token means in an array of that length."""
    if not _INDEX.match(token):
        raise _Failed(f"value was not a proper array index: '{token}'")
    index = int(token)
    if not -length <= index < length:
        raise _Failed(f"Unable to access invalid index: {index}: invalid index referenced")
    return index + length if index < 0 else index


def _copy(value: Any) -> Any:
    """Fails for what is nested deeper than can be stored."""
    try:
        return orjson.loads(orjson.dumps(value)) if isinstance(value, dict | list) else value
    except (TypeError, ValueError) as error:
        raise _Failed(f"the value cannot be encoded: {error}") from error


def _size(value: Any) -> int:
    try:
        return len(orjson.dumps(value))
    except TypeError as error:
        raise _Failed(f"the value cannot be encoded: {error}") from error
