"""Settings once: a YAML file, flags over it, validated into a frozen struct at start.

An unknown or wrong setting stops the start with a message that names it and the file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every settings struct: frozen, no unknown fields."""


class InvalidSettings(ValueError):
    """Settings that cannot be used; the message names the file and the setting."""


S = TypeVar("S", bound=Settings)


def load(kind: type[S], path: Path | None, flags: Mapping[str, Any] | None = None) -> S:
    """Read `path` (optional), lay `flags` over it, validate.

    A flag's key is the setting's dotted path ("network.proxy_mode"); a value of None means that the flag was not given.
    Raises InvalidSettings.
    """
    values = read(path) if path is not None else {}
    for dotted, value in (flags or {}).items():
        if value is not None:
            _lay(values, dotted, value)
    try:
        return msgspec.convert(values, kind, strict=True)
    except msgspec.ValidationError as error:
        raise InvalidSettings(f"{path or 'settings'}: {error}") from error


def read(path: Path) -> dict[str, Any]:
    """The mapping of settings in a YAML file, not validated. Raises InvalidSettings."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSettings(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{path}: not YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InvalidSettings(f"{path}: must hold a mapping of settings")
    return values


def _lay(values: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        inner = values.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise InvalidSettings(f"setting {parent!r} must be a mapping")
        values = inner
    values[last] = value
