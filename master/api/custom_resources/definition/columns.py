"""additionalPrinterColumns, subresources and selectableFields of a version."""

from typing import Any

from master.api.custom_resources.rules.field_path import InvalidFieldPath, resolve
from master.api.kinds.rules.field_errors import duplicate, invalid, required, too_many
from master.client.errors import Cause

Json = dict[str, Any]

_TYPES = ("boolean", "date", "integer", "number", "string")
_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_MAX_SELECTABLE = 8


def validate_columns(columns: Any, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, column in enumerate(columns or ()):
        where = f"{path}[{index}]"
        if not column.get("name"):
            causes.append(required(f"{where}.name"))
        kind, form = column.get("type") or "", column.get("format") or ""
        if not kind:
            causes.append(required(f"{where}.type", f"must be one of {','.join(_TYPES)}"))
        elif kind not in _TYPES:
            causes.append(invalid(f"{where}.type", kind, f"must be one of {','.join(_TYPES)}"))
        if form and form not in _FORMATS:
            causes.append(invalid(f"{where}.format", form, f"must be one of {','.join(_FORMATS)}"))
        if not column.get("jsonPath"):
            causes.append(required(f"{where}.JSONPath"))
        else:
            causes.extend(_simple_path(column["jsonPath"], f"{where}.JSONPath"))
    return causes


def _simple_path(text: str, path: str) -> list[Cause]:
    return [] if text.startswith(".") else [invalid(path, text, "must be a simple json path starting with .")]


def validate_subresources(subresources: Json | None, path: str) -> list[Cause]:
    scale = (subresources or {}).get("scale")
    if scale is None:
        return []
    causes: list[Cause] = []
    for field, root in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        where, text = f"{path}.scale.{field}", scale.get(field) or ""
        if not text:
            causes.append(required(where))
        elif wrong := _simple_path(text, where):
            causes.extend(wrong)
        elif not text.startswith(root):
            causes.append(invalid(where, text, f"should be a json path under {root[:-1]}"))
    text = scale.get("labelSelectorPath") or ""
    if text:
        where = f"{path}.scale.labelSelectorPath"
        if wrong := _simple_path(text, where):
            causes.extend(wrong)
        elif not text.startswith((".spec.", ".status.")):
            causes.append(invalid(where, text, "should be a json path under either .spec or .status"))
    return causes


def validate_selectable(fields: Any, schema: Json | None, path: str) -> list[Cause]:
    if not fields:
        return []
    if schema is None:
        return [invalid(path, "", "may only be set when validations.schema is included")]
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, field in enumerate(fields):
        where, text = f"{path}[{index}].jsonPath", field.get("jsonPath") or ""
        if not text:
            causes.append(required(where))
            continue
        try:
            shown, steps, found = resolve(text, schema, brackets=False)
        except InvalidFieldPath as error:
            causes.append(invalid(where, text, f"is an invalid path: {error}"))
            continue
        if steps[:1] == ("metadata",):
            causes.append(invalid(where, text, "must not point to fields in metadata"))
        if found.get("type") not in ("string", "boolean", "integer"):
            why = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are "
            causes.append(invalid(where, text, f"{why}allowed."))
        if shown in seen:
            causes.append(duplicate(where, text))
        seen.add(shown)
    if len(seen) > _MAX_SELECTABLE:
        causes.append(too_many(path, len(seen), _MAX_SELECTABLE))
    return causes
