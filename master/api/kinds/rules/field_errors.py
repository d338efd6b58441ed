"""Errors of single fields in Kubernetes' words (k8s.io/apimachinery pkg/util/validation/field).

Each function makes one Cause, whose message begins with the error's type: `Invalid value: "x": must be …`.
"""

from collections.abc import Iterable
from typing import Any

import orjson

from master.client.errors import Cause


def child(path: str, name: str) -> str:
    """The path of a field below `path`, which is "" at the top."""
    return f"{path}.{name}" if path else name


def keyed(path: str, key: str) -> str:
    """The path of a map's entry."""
    return f"{path}[{key}]"


def required(path: str, detail: str = "") -> Cause:
    return Cause(path, "FieldValueRequired", _with("Required value", detail))


def invalid(path: str, value: Any, detail: str) -> Cause:
    return Cause(path, "FieldValueInvalid", _with(f"Invalid value: {shown(value)}", detail))


def invalid_whole(path: str, detail: str) -> Cause:
    """An invalid value that is not shown: too large, or only wrong together with others."""
    return Cause(path, "FieldValueInvalid", f"Invalid value: {detail}")


def duplicate(path: str, value: Any) -> Cause:
    return Cause(path, "FieldValueDuplicate", f"Duplicate value: {shown(value)}")


def not_found(path: str, value: Any) -> Cause:
    return Cause(path, "FieldValueNotFound", f"Not found: {shown(value)}")


def not_supported(path: str, value: Any, supported: Iterable[str], *, in_order: bool = False) -> Cause:
    """`in_order`: the choices as they stand, for kinds whose message Kubernetes does not sort."""
    choices = supported if in_order else sorted(supported)
    listed = ", ".join(f'"{choice}"' for choice in choices)
    return Cause(path, "FieldValueNotSupported", f"Unsupported value: {shown(value)}: supported values: {listed}")


def forbidden(path: str, detail: str) -> Cause:
    return Cause(path, "FieldValueForbidden", f"Forbidden: {detail}")


def too_long(path: str, limit: int) -> Cause:
    """More than `limit` bytes."""
    return Cause(path, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")


def too_many(path: str, actual: int, limit: int) -> Cause:
    """More than `limit` items."""
    return Cause(path, "FieldValueTooMany", f"Too many: {actual}: must have at most {limit} items")


def shown(value: Any) -> str:
    """A value as a field error shows it: strings quoted, the rest as JSON."""
    return orjson.dumps(value).decode()


def _with(text: str, detail: str) -> str:
    return f"{text}: {detail}" if detail else text
