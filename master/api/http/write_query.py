"""What the query of a write says: dryRun, fieldManager, force, fieldValidation. Called by `Resources`.

Source: k8s.io/apimachinery pkg/apis/meta/v1/validation; k8s.io/apiserver pkg/endpoints/handlers/create.go (managers).
"""

from typing import Literal

import msgspec
from aiohttp import web

from master.client.errors import Cause, invalid

#: Bytes of a manager's name.
_LONGEST_MANAGER = 128
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")

#: Which options a verb has, as errors name them.
OptionsKind = Literal["CreateOptions", "UpdateOptions", "PatchOptions"]


class WriteQuery(msgspec.Struct, frozen=True, gc=False):
    """`manager` owns what the write changes: who the client says it is, or what its User-Agent begins with."""

    dry_run: bool
    manager: str
    force: bool


def parse(request: web.Request, options: OptionsKind, *, applies: bool = False) -> WriteQuery:
    """Raises StatusError 422 with all that is wrong."""
    query = request.query
    manager, force = query.get("fieldManager", ""), query.get("force")
    causes: list[Cause] = []
    if options == "PatchOptions":
        if applies and not manager:
            causes.append(Cause("fieldManager", "FieldValueRequired", "Required value: is required for apply patch"))
        if not applies and force is not None:
            text = "Forbidden: may not be specified for non-apply patch"
            causes.append(Cause("force", "FieldValueForbidden", text))
    causes += _wrong_manager(manager)
    dry_run = query.getall("dryRun", [])
    if any(value not in ("", "All") for value in dry_run):
        listed = ", ".join(f'"{value}"' for value in dry_run)
        text = f'Unsupported value: []string{{{listed}}}: supported values: "All"'
        causes.append(Cause("dryRun", "FieldValueNotSupported", text))
    validation = query.get("fieldValidation", "")
    if validation not in _VALIDATIONS:
        supported = ", ".join(f'"{value}"' for value in _VALIDATIONS)
        text = f'Unsupported value: "{validation}": supported values: {supported}'
        causes.append(Cause("fieldValidation", "FieldValueNotSupported", text))
    if causes:
        raise invalid(options, "meta.k8s.io", "", causes)
    return WriteQuery(
        dry_run="All" in dry_run,
        manager=manager or manager_of(request.headers.get("User-Agent", "")),
        force=force is not None and force not in ("0", "false", "False", "FALSE"),
    )


def _wrong_manager(manager: str) -> list[Cause]:
    causes = []
    if len(manager.encode("utf-8", "surrogatepass")) > _LONGEST_MANAGER:
        text = f"Too long: may not be more than {_LONGEST_MANAGER} bytes"
        causes.append(Cause("fieldManager", "FieldValueTooLong", text))
    for position, letter in enumerate(manager):
        if not letter.isprintable():
            text = f'Invalid value: "{_printed(manager)}": invalid character U+{ord(letter):04X} (at position {position})'
            causes.append(Cause("fieldManager", "FieldValueInvalid", text))
    return causes


def manager_of(user_agent: str) -> str:
    """The manager of a client that names none: its User-Agent up to the slash, without what cannot be printed."""
    name = ""
    size = 0
    for letter in user_agent.partition("/")[0]:
        if not letter.isprintable():
            continue
        size += len(letter.encode())
        if size > _LONGEST_MANAGER:
            break
        name += letter
    return name or "unknown"


def _printed(text: str) -> str:
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)
