"""StorageClass: how volumes of the class are made. Nothing of that changes once claims may refer to it."""

from typing import Any

from master.api.kinds.kind import Json, Kind
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import duplicate, forbidden, invalid, not_supported, required, too_long
from master.api.kinds.rules.metadata import immutable, validate_metadata
from master.api.printers import storage_class as printer
from master.client.errors import Cause

RECLAIM_POLICIES = ("Delete", "Retain")
BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
#: Parameters of a class: how many, and all together in bytes.
_MAX_PARAMETERS, _PARAMETERS_LIMIT = 512, 256 * 1024


def _default(obj: Json) -> None:
    if obj.get("reclaimPolicy") is None:
        obj["reclaimPolicy"] = "Delete"
    if obj.get("volumeBindingMode") is None:
        obj["volumeBindingMode"] = "Immediate"


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain, namespaced=False)
    provisioner, policy, mode = obj.get("provisioner") or "", obj.get("reclaimPolicy") or "", obj.get("volumeBindingMode")
    if old is not None:
        for field in ("parameters", "provisioner", "reclaimPolicy"):
            if (obj.get(field) or None) != (old.get(field) or None):
                causes.append(forbidden(field, f"updates to {field} are forbidden."))
        causes.extend(immutable(mode, old.get("volumeBindingMode"), "volumeBindingMode"))
    if not provisioner:
        causes.append(required("provisioner"))
    else:
        causes.extend(invalid("provisioner", provisioner, why) for why in names.qualified_name(provisioner.lower()))
    causes.extend(_validate_parameters(obj.get("parameters") or {}))
    if policy and policy not in RECLAIM_POLICIES:
        causes.append(not_supported("reclaimPolicy", policy, RECLAIM_POLICIES))
    if mode is None:
        causes.append(required("volumeBindingMode"))
    elif mode not in BINDING_MODES:
        causes.append(not_supported("volumeBindingMode", mode, BINDING_MODES))
    return causes + _validate_topologies(obj.get("allowedTopologies") or ())


def _validate_parameters(parameters: "dict[str, str]") -> list[Cause]:
    if len(parameters) > _MAX_PARAMETERS:
        return [too_long("parameters", _MAX_PARAMETERS)]
    causes = [invalid("parameters", key, "field can not be empty.") for key in parameters if not key]
    if sum(len(key.encode()) + len(value.encode()) for key, value in parameters.items()) > _PARAMETERS_LIMIT:
        causes.append(too_long("parameters", _PARAMETERS_LIMIT))
    return causes


def _validate_topologies(terms: Any) -> list[Cause]:
    causes: list[Cause] = []
    seen: list[dict[str, set[str]]] = []
    for index, term in enumerate(terms):
        path = f"allowedTopologies[{index}].matchLabelExpressions"
        requirements: dict[str, set[str]] = {}
        for place, expression in enumerate(term.get("matchLabelExpressions") or ()):
            where, key, values = f"{path}[{place}]", expression.get("key") or "", expression.get("values") or []
            if not values:
                causes.append(required(f"{where}.values"))
            for position, value in enumerate(values):
                if value in values[:position]:
                    causes.append(duplicate(f"{where}.values[{position}]", value))
            causes.extend(invalid(f"{where}.key", key, why) for why in names.qualified_name(key))
            if key in requirements:
                causes.append(duplicate(f"{where}.key", key))
            requirements[key] = set(values)
        if requirements in seen:
            causes.append(duplicate(path, ""))
        seen.append(requirements)
    return causes


KIND = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="StorageClass",
    plural="storageclasses",
    singular="storageclass",
    definition="io.k8s.api.storage.v1.StorageClass",
    short_names=("sc",),
    namespaced=False,
    default=_default,
    validate=_validate,
    columns=printer.COLUMNS,
    row=printer.row,
)
