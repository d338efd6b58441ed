"""LimitRange: how much each pod, container or claim of a namespace may and by default does ask for. Enforced by admission."""

from decimal import Decimal
from typing import Any

from master.api.kinds.kind import Json, Kind
from master.api.kinds.pod_spec.resources import is_overcommittable
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import duplicate, forbidden, invalid, keyed, required
from master.api.kinds.rules.metadata import validate_metadata
from master.api.kinds.rules.resource_names import validate_limited_resource_name
from master.api.printers import limit_range as printer
from master.client.errors import Cause
from proto.k8s.quantity import parse

TYPES = ("Container", "PersistentVolumeClaim", "Pod")
_FIELDS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
#: What may not be greater than what, of which field the error is, whose value it shows and in what words.
_ORDER = (
    ("min", "max", "min", "min", "min value {} is greater than max value {}"),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest", "min value {} is greater than default request value {}"),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest", "default request value {} is greater than max value {}"),
    (
        "defaultRequest", "default", "defaultRequest", "defaultRequest",
        "default request value {} is greater than default limit value {}",
    ),
    ("min", "default", "default", "min", "min value {} is greater than default value {}"),
    ("default", "max", "default", "max", "default value {} is greater than max value {}"),
)  # fmt: skip


def _default(obj: Json) -> None:
    for limit in obj.setdefault("spec", {}).setdefault("limits", []):
        if limit.get("type") == "Container":
            limits, requests = limit.setdefault("default", {}), limit.setdefault("defaultRequest", {})
            for name, quantity in (limit.get("max") or {}).items():
                limits.setdefault(name, quantity)
            for source in (limits, limit.get("min") or {}):
                for name, quantity in source.items():
                    requests.setdefault(name, quantity)


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    seen: set[str] = set()
    for index, limit in enumerate((obj.get("spec") or {}).get("limits") or ()):
        path, kind = f"spec.limits[{index}]", limit.get("type") or ""
        causes.extend(_validate_type(kind, f"{path}.type"))
        if kind in seen:
            causes.append(duplicate(f"{path}.type", kind))
        seen.add(kind)
        causes.extend(_validate_limit(limit, kind, path))
    return causes


def _validate_type(kind: str, path: str) -> list[Cause]:
    causes = [invalid(path, kind, why) for why in names.qualified_name(kind)]
    if not causes and "/" not in kind and kind not in TYPES:
        causes.append(invalid(path, kind, "must be a standard limit type or fully qualified"))
    return causes


def _validate_limit(limit: Json, kind: str, path: str) -> list[Cause]:
    causes: list[Cause] = []
    given: dict[str, Json] = {field: limit.get(field) or {} for field in _FIELDS}
    if kind == "Pod":
        for field in ("default", "defaultRequest"):
            if given[field]:
                causes.append(forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'"))
            given[field] = {}
    for field, amounts in given.items():
        for name in amounts:
            causes.extend(validate_limited_resource_name(kind, name, keyed(f"{path}.{field}", name)))
    if kind == "PersistentVolumeClaim" and "storage" not in given["min"] and "storage" not in given["max"]:
        message = "either minimum or maximum storage value is required, but neither was provided"
        causes.append(required(f"{path}.limits", message))
    for name in sorted({name for amounts in given.values() for name in amounts}):
        known = {field: amounts[name] for field, amounts in given.items() if name in amounts}
        causes.extend(_validate_order(name, known, path))
        causes.extend(_validate_ratio(name, known, path))
    return causes


def _validate_order(name: str, known: dict[str, Any], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for less, more, field, value, message in _ORDER:
        if less in known and more in known and parse(known[less]) > parse(known[more]):
            text = message.format(known[less], known[more])
            causes.append(invalid(keyed(f"{path}.{field}", name), known[value], text))
    if not is_overcommittable(name) and {"default", "defaultRequest"} <= known.keys():
        limit, request = known["default"], known["defaultRequest"]
        if parse(limit) != parse(request):
            text = f"default value {limit} must equal to defaultRequest value {request} in {name}"
            causes.append(invalid(keyed(f"{path}.defaultRequest", name), request, text))
    return causes


def _validate_ratio(name: str, known: dict[str, Any], path: str) -> list[Cause]:
    ratio = known.get("maxLimitRequestRatio")
    if ratio is None:
        return []
    where = keyed(f"{path}.maxLimitRequestRatio", name)
    causes = [invalid(where, ratio, f"ratio {ratio} is less than 1")] if parse(ratio) < 1 else []
    least, most = parse(known.get("min", "0")), parse(known.get("max", "0"))
    if "max" in known and least > 0:
        widest: Decimal = most / least
        if parse(ratio) > widest:
            causes.append(invalid(where, ratio, f"ratio {ratio} is greater than max/min = {float(widest):f}"))
    return causes


KIND = Kind(
    group="",
    version="v1",
    kind="LimitRange",
    plural="limitranges",
    singular="limitrange",
    short_names=("limits",),
    definition="io.k8s.api.core.v1.LimitRange",
    default=_default,
    validate=_validate,
    columns=printer.COLUMNS,
    row=printer.row,
)
