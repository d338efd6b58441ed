"""Defaults and validation of what claims storage: PersistentVolumeClaim, its templates, ephemeral volumes.

Source: pkg/apis/core/validation (ValidatePersistentVolumeClaimSpec), pkg/apis/core/v1/defaults.go.
"""

from collections.abc import Sequence
from typing import Any

from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import forbidden, invalid, not_supported, required
from master.api.kinds.rules.metadata import validate_label_selector
from master.client.errors import Cause
from proto.k8s.quantity import parse

Json = dict[str, Any]

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")


def default_claim(claim: Json) -> None:
    default_claim_spec(claim.setdefault("spec", {}))
    status = claim.setdefault("status", {})
    if not status.get("phase"):
        status["phase"] = "Pending"


def default_claim_spec(spec: Json) -> None:
    if not spec.get("volumeMode"):
        spec["volumeMode"] = "Filesystem"
    spec.setdefault("resources", {})


def validate_access_modes(modes: Sequence[str], path: str) -> list[Cause]:
    causes = [not_supported(path, mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES]
    if "ReadWriteOncePod" in modes and any(mode in ACCESS_MODES and mode != "ReadWriteOncePod" for mode in modes):
        causes.append(forbidden(path, "may not use ReadWriteOncePod with other access modes"))
    return causes


def validate_class_name(name: str | None, path: str) -> list[Cause]:
    """A StorageClass's name; none and "" are fine."""
    return [invalid(path, name, why) for why in names.dns1123_subdomain(name)] if name else []


def positive(quantity: Any, path: str) -> list[Cause]:
    return [] if parse(quantity) > 0 else [invalid(path, quantity, "must be greater than zero")]


def validate_claim_spec(spec: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    modes = spec.get("accessModes") or ()
    if not modes:
        causes.append(required(f"{path}.accessModes", "at least 1 access mode is required"))
    causes.extend(validate_label_selector(spec.get("selector"), f"{path}.selector"))
    causes.extend(validate_access_modes(modes, f"{path}.accessModes"))
    storage, where = ((spec.get("resources") or {}).get("requests") or {}).get("storage"), f"{path}.resources[storage]"
    if storage is None:
        causes.append(required(where))
    else:
        causes.extend(positive(storage, where))
    causes.extend(validate_class_name(spec.get("storageClassName"), f"{path}.storageClassName"))
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        causes.append(not_supported(f"{path}.volumeMode", mode, VOLUME_MODES))
    return causes + _validate_data_sources(spec, path)


def _validate_data_sources(spec: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    for field, given in (("dataSource", source), ("dataSourceRef", reference)):
        if given is not None:
            causes.extend(_validate_data_source(given, f"{path}.{field}"))
    namespace = (reference or {}).get("namespace")
    if namespace:
        causes.extend(invalid(f"{path}.dataSourceRef.namespace", namespace, why) for why in names.dns1123_label(namespace))
        if source is not None:
            message = "may not be specified when dataSourceRef.namespace is specified"
            causes.append(invalid(path, f"{path}.dataSource", message))
    elif source is not None and reference is not None:
        same = all((source.get(field) or None) == (reference.get(field) or None) for field in ("apiGroup", "kind", "name"))
        if not same:
            causes.append(invalid(path, f"{path}.dataSource", "must match dataSourceRef"))
    return causes


def _validate_data_source(source: Json, path: str) -> list[Cause]:
    causes = [required(f"{path}.{field}") for field in ("name", "kind") if not source.get(field)]
    group, kind = source.get("apiGroup") or "", source.get("kind") or ""
    if not group and kind != "PersistentVolumeClaim":
        message = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        causes.append(invalid(path, kind, message))
    if group:
        causes.extend(invalid(f"{path}.apiGroup", group, why) for why in names.dns1123_subdomain(group))
    return causes
