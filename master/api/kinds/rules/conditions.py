"""Errors of a status' metav1.Conditions (apimachinery pkg/apis/meta/v1/validation)."""

import re
from typing import Any

from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import duplicate, invalid, not_supported, required, too_long
from master.client.errors import Cause

_REASON_PATTERN = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_REASON = re.compile(rf"{_REASON_PATTERN}\Z")
_REASON_LIMIT, _MESSAGE_LIMIT = 1024, 32 * 1024


def validate_conditions(conditions: Any, path: str) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, condition in enumerate(conditions or ()):
        where = f"{path}[{index}]"
        kind = condition.get("type") or ""
        if kind in seen:
            causes.append(duplicate(f"{where}.type", kind))
        seen.add(kind)
        causes.extend(_validate_condition(condition, kind, where))
    return causes


def _validate_condition(condition: "dict[str, Any]", kind: str, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if not kind:
        causes.append(required(f"{path}.type", "must be set"))
    else:
        causes.extend(invalid(f"{path}.type", kind, why) for why in names.qualified_name(kind))
    status = condition.get("status") or ""
    if status not in ("True", "False", "Unknown"):
        causes.append(not_supported(f"{path}.status", status, ("False", "True", "Unknown")))
    generation = condition.get("observedGeneration") or 0
    if generation < 0:
        causes.append(invalid(f"{path}.observedGeneration", generation, "must be greater than or equal to zero"))
    if not condition.get("lastTransitionTime"):
        causes.append(required(f"{path}.lastTransitionTime", "must be set"))
    reason, message = condition.get("reason") or "", condition.get("message") or ""
    if not reason:
        causes.append(required(f"{path}.reason", "must be set"))
    elif not _REASON.match(reason):
        why = (
            "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
            "characters or '_,:', and must end with an alphanumeric character or '_' "
            f"(e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for "
            f"validation is '{_REASON_PATTERN}')"
        )
        causes.append(invalid(f"{path}.reason", reason, why))
    if len(reason) > _REASON_LIMIT:
        causes.append(too_long(f"{path}.reason", _REASON_LIMIT))
    if len(message) > _MESSAGE_LIMIT:
        causes.append(too_long(f"{path}.message", _MESSAGE_LIMIT))
    return causes
