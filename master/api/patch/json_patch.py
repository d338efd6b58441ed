"""JSON Patch, RFC 6902: a list of operations, applied in order, all or none."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from master.client.errors import StatusError, bad_request

#: As many as Kubernetes' API server applies.
MAX_OPERATIONS = 10_000

_MEMBERS = {
    "add": ("path", "value"),
    "remove": ("path",),
    "replace": ("path", "value"),
    "move": ("from", "path"),
    "copy": ("from", "path"),
    "test": ("path", "value"),
}


class _Failed(Exception):
    """An operation that cannot be applied; says why."""


def apply_json_patch(document: Any, operations: Any) -> Any:
    """The patched document. Raises StatusError: 400 for what is no JSON patch, 413 for too many operations, 422 for an
    operation that fails.
    """
    checked = _checked(operations)
    result = deepcopy(document)
    for number, operation in enumerate(checked):
        try:
            result = _apply(result, operation)
        except _Failed as error:
            # Kubernetes' message; the cause is wherry's addition, and kubectl prints it.
            cause = {"reason": "FieldValueInvalid", "field": f"patch[{number}]", "message": str(error)}
            message = "the server rejected our request due to an error in our request"
            raise StatusError(422, "Invalid", message, details={"causes": [cause]}) from error
    return result


def _checked(operations: Any) -> Sequence[dict[str, Any]]:
    if not isinstance(operations, list):
        raise bad_request("a JSON patch must be an array of operations")
    if len(operations) > MAX_OPERATIONS:
        raise StatusError(
            413,
            "RequestEntityTooLarge",
            "Request entity is too large: The allowed maximum operations in a JSON patch is "
            f"{MAX_OPERATIONS}, got {len(operations)}",
        )
    for number, operation in enumerate(operations):
        if not isinstance(operation, dict):
            raise bad_request(f"JSON patch operation {number} is not an object")
        members = _MEMBERS.get(operation.get("op", "")) if isinstance(operation.get("op"), str) else None
        if members is None:
            raise bad_request(f"JSON patch operation {number} has an unexpected kind: {operation.get('op')!r}")
        for member in members:
            if member not in operation:
                raise bad_request(f"JSON patch operation {number} ({operation['op']}) lacks {member!r}")
        for member in ("path", "from"):
            if member in members:
                pointer = operation[member]
                if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
                    raise bad_request(f"JSON patch operation {number}: {member} {pointer!r} is not a JSON pointer")
    return operations


def _apply(document: Any, operation: dict[str, Any]) -> Any:
    path = _parse(operation["path"])
    match operation["op"]:
        case "add":
            return _add(document, path, deepcopy(operation["value"]))
        case "remove":
            return _remove(document, path)[0]
        case "replace":
            _get(document, path)
            return _replace(document, path, deepcopy(operation["value"]))
        case "move":
            source = _parse(operation["from"])
            if path[: len(source)] == source and path != source:
                raise _Failed(f"{operation['from']!r} cannot be moved into itself")
            document, value = _remove(document, source)
            return _add(document, path, value)
        case "copy":
            return _add(document, path, deepcopy(_get(document, _parse(operation["from"]))))
        case _:
            if not equal(_get(document, path), operation["value"]):
                raise _Failed(f"testing value {operation['path']} failed")
            return document


def equal(one: Any, other: Any) -> bool:
    """Equality of JSON values: true is not 1, 1.0 is 1 (RFC 6902, section 4.6)."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(equal(left, right) for left, right in zip(one, other, strict=True))
    return bool(one == other)


def _parse(pointer: str) -> list[str]:
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _get(document: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(document, dict):
            if step not in document:
                raise _Failed(f"{step!r} does not exist")
            document = document[step]
        elif isinstance(document, list):
            document = document[_index(step, len(document) - 1)]
        else:
            raise _Failed(f"{step!r} is below a value that is neither an object nor an array")
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else _index(last, len(parent)), value)
    else:
        raise _Failed(f"{last!r} is below a value that is neither an object nor an array")
    return document


def _replace(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        parent[_index(last, len(parent) - 1)] = value
    else:
        parent[last] = value
    return document


def _remove(document: Any, path: list[str]) -> tuple[Any, Any]:
    """The document without the value, and the value."""
    value = _get(document, path)
    if not path:
        return None, value
    parent, last = _get(document, path[:-1]), path[-1]
    del parent[_index(last, len(parent) - 1) if isinstance(parent, list) else last]
    return document, value


def _index(token: str, largest: int) -> int:
    """An array's index: digits without a leading zero (RFC 6901, section 4)."""
    if not (token.isascii() and token.isdigit()) or (len(token) > 1 and token[0] == "0"):
        raise _Failed(f"{token!r} is no index of an array")
    index = int(token) if len(token) < 10 else largest + 1
    if index > largest:
        raise _Failed(f"index {token} is out of bounds")
    return index
