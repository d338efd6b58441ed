"""Validation of an Event in its core form, which both views of events are stored in (pkg/apis/core/validation/events.go)."""

from typing import Any

from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid, required
from master.api.kinds.rules.metadata import immutable, validate_metadata
from master.client.errors import Cause

Json = dict[str, Any]

_REASON_LENGTH, _NOTE_LENGTH, _ACTION_LENGTH = 128, 1024, 128
#: What the strict form never changes once it is written.
_FIXED = (
    "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "eventTime", "action",
    "related", "reportingComponent", "reportingInstance", "type",
)  # fmt: skip


def validate_event(obj: Json, old: Json | None, *, strict: bool) -> list[Cause]:
    """`strict`: the rules of events.k8s.io/v1; core/v1 asks for little."""
    causes = validate_metadata(obj, old, name_rule=names.path_segment)
    namespace = obj["metadata"].get("namespace")
    involved = obj.get("involvedObject") or {}
    if involved.get("namespace", "") not in (namespace, "") or (not involved.get("namespace") and namespace != "default"):
        causes.append(invalid("involvedObject.namespace", involved.get("namespace", ""), "does not match event.namespace"))
    if not strict:
        return causes
    if old is None:
        if not obj.get("eventTime"):
            causes.append(required("eventTime"))
        causes.extend(_validate_strict(obj))
    else:
        for field in _FIXED:
            causes.extend(immutable(obj.get(field), old.get(field), field))
    return causes


def _validate_strict(obj: Json) -> list[Cause]:
    causes: list[Cause] = []
    controller, instance = obj.get("reportingComponent") or "", obj.get("reportingInstance") or ""
    if not controller:
        causes.append(required("reportingController"))
    else:
        causes.extend(invalid("reportingController", controller, why) for why in names.qualified_name(controller))
    if not instance:
        causes.append(required("reportingInstance"))
    elif len(instance) > _REASON_LENGTH:
        causes.append(invalid("reportingInstance", instance, f"can have at most {_REASON_LENGTH} characters"))
    for field, limit in (("action", _ACTION_LENGTH), ("reason", _REASON_LENGTH)):
        value = obj.get(field) or ""
        if not value:
            causes.append(required(field))
        elif len(value) > limit:
            causes.append(invalid(field, value, f"can have at most {limit} characters"))
    if len(obj.get("message") or "") > _NOTE_LENGTH:
        causes.append(invalid("message", obj["message"], f"can have at most {_NOTE_LENGTH} characters"))
    if obj.get("type") not in ("Normal", "Warning"):
        causes.append(invalid("type", obj.get("type") or "", "has invalid value: "))
    return causes
