"""Validation of a pod's volumes (ValidateVolumes): one source each, and that source's fields."""

from collections.abc import Sequence
from typing import Any

from master.api.kinds.pod_spec.defaults import VOLUME_SOURCES
from master.api.kinds.pod_spec.env import VOLUME_FIELDS, validate_field_reference, validate_resource_reference
from master.api.kinds.pod_spec.volume_mounts import local_descending_path
from master.api.kinds.pod_spec.volume_sources import validate_shared_source
from master.api.kinds.rules import names
from master.api.kinds.rules.claims import validate_claim_spec
from master.api.kinds.rules.csi import validate_driver_name
from master.api.kinds.rules.field_errors import duplicate, forbidden, invalid, not_supported, required
from master.api.kinds.rules.metadata import validate_annotations, validate_labels
from master.client.errors import Cause
from proto.k8s.quantity import parse

Json = dict[str, Any]

_MODE_MESSAGE = "must be a number between 0 and 0777 (octal), both inclusive"
_PROJECTED_SOURCES = ("secret", "downwardAPI", "configMap", "serviceAccountToken", "clusterTrustBundle")
_TOKEN_SECONDS = 600
PULL_POLICIES = ("Always", "IfNotPresent", "Never")


def validate_volumes(volumes: Sequence[Json], path: str) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        where = f"{path}[{index}]"
        name = volume.get("name") or ""
        if not name:
            causes.append(required(f"{where}.name"))
        else:
            causes.extend(invalid(f"{where}.name", name, why) for why in names.dns1123_label(name))
        if name and name in seen:
            causes.append(duplicate(f"{where}.name", name))
        seen.add(name)
        given = [source for source in VOLUME_SOURCES if volume.get(source) is not None]
        if not given:
            causes.append(required(where, "must specify a volume type"))
        causes.extend(forbidden(f"{where}.{source}", "may not specify more than 1 volume type") for source in given[1:])
        if given:
            causes.extend(_validate_source(given[0], volume[given[0]], f"{where}.{given[0]}"))
    return causes


def _validate_source(kind: str, source: Json, path: str) -> list[Cause]:
    match kind:
        case "emptyDir":
            limit = source.get("sizeLimit")
            if limit is not None and parse(limit) < 0:
                return [forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")]
            return []
        case "secret":
            missing = [] if source.get("secretName") else [required(f"{path}.secretName")]
            return missing + _validate_mode_and_items(source, path)
        case "configMap":
            missing = [] if source.get("name") else [required(f"{path}.name")]
            return missing + _validate_mode_and_items(source, path)
        case "downwardAPI":
            return _validate_mode(source, path) + _validate_downward_items(source, path)
        case "projected":
            return _validate_mode(source, path) + _validate_projected(source, path)
        case "persistentVolumeClaim":
            return [] if source.get("claimName") else [required(f"{path}.claimName")]
        case "ephemeral":
            return _validate_ephemeral(source, path)
        case "csi":
            return _validate_csi(source, path)
        case "image":
            return _validate_image(source, path)
        case _:
            return validate_shared_source(kind, source, path)


def _validate_ephemeral(source: Json, path: str) -> list[Cause]:
    template = source.get("volumeClaimTemplate")
    if template is None:
        return [required(f"{path}.volumeClaimTemplate")]
    metadata, where = template.get("metadata") or {}, f"{path}.volumeClaimTemplate"
    causes = validate_labels(metadata.get("labels"), f"{where}.metadata.labels")
    causes.extend(validate_annotations(metadata.get("annotations"), f"{where}.metadata.annotations"))
    causes.extend(
        forbidden(f"{where}.metadata.{field}", "cannot be set") for field in metadata if field not in ("labels", "annotations")
    )
    return causes + validate_claim_spec(template.get("spec") or {}, f"{where}.spec")


def _validate_csi(source: Json, path: str) -> list[Cause]:
    causes = validate_driver_name(source.get("driver") or "", f"{path}.driver")
    secret = source.get("nodePublishSecretRef")
    if secret is not None and not secret.get("name"):
        causes.append(required(f"{path}.nodePublishSecretRef.name"))
    return causes


def _validate_image(source: Json, path: str) -> list[Cause]:
    causes = [] if source.get("reference") else [required(f"{path}.reference")]
    policy = source.get("pullPolicy")
    if policy is not None and policy not in PULL_POLICIES:
        causes.append(not_supported(f"{path}.pullPolicy", policy, PULL_POLICIES))
    return causes


def _validate_mode_and_items(source: Json, path: str) -> list[Cause]:
    causes = _validate_mode(source, path)
    for index, item in enumerate(source.get("items") or ()):
        where = f"{path}.items[{index}]"
        if not item.get("key"):
            causes.append(required(f"{where}.key"))
        causes.extend(_validate_item_path(item, where))
    return causes


def _validate_mode(source: Json, path: str) -> list[Cause]:
    mode = source.get("defaultMode")
    return [] if mode is None or 0 <= mode <= 0o777 else [invalid(f"{path}.defaultMode", mode, _MODE_MESSAGE)]


def _validate_item_path(item: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    target, mode = item.get("path") or "", item.get("mode")
    if not target:
        causes.append(required(f"{path}.path"))
    else:
        causes.extend(local_descending_path(target, f"{path}.path"))
        # The atomic writer keeps what begins so for itself.
        if target.startswith("..") and not target.startswith("../"):
            causes.append(invalid(f"{path}.path", target, "must not start with '..'"))
    if mode is not None and not 0 <= mode <= 0o777:
        causes.append(invalid(f"{path}.mode", mode, _MODE_MESSAGE))
    return causes


def _validate_downward_items(source: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, item in enumerate(source.get("items") or ()):
        where = f"{path}.items[{index}]"
        causes.extend(_validate_item_path(item, where))
        field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
        if field is not None and resource is not None:
            causes.append(invalid(where, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"))
        elif field is not None:
            causes.extend(validate_field_reference(field, VOLUME_FIELDS, f"{where}.fieldRef"))
        elif resource is not None:
            causes.extend(validate_resource_reference(resource, f"{where}.resourceFieldRef", in_volume=True))
        else:
            causes.append(required(f"{where}.fieldRef", "one of fieldRef and resourceFieldRef is required"))
    return causes


def _validate_projected(projected: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, source in enumerate(projected.get("sources") or ()):
        where = f"{path}.sources[{index}]"
        given = [kind for kind in _PROJECTED_SOURCES if source.get(kind) is not None]
        if not given:
            causes.append(required(where, "must specify at least one source type"))
        causes.extend(forbidden(f"{where}.{kind}", "may not specify more than 1 volume type per source") for kind in given[1:])
        for kind in ("secret", "configMap"):
            if source.get(kind) is not None:
                if not source[kind].get("name"):
                    causes.append(required(f"{where}.{kind}.name"))
                causes.extend(_validate_mode_and_items(source[kind], f"{where}.{kind}"))
        if source.get("downwardAPI") is not None:
            causes.extend(_validate_downward_items(source["downwardAPI"], f"{where}.downwardAPI"))
        if (token := source.get("serviceAccountToken")) is not None:
            at = f"{where}.serviceAccountToken"
            seconds = token.get("expirationSeconds") or 0
            if seconds < _TOKEN_SECONDS:
                causes.append(invalid(f"{at}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"))
            if not token.get("path"):
                causes.append(required(f"{at}.path"))
            else:
                causes.extend(local_descending_path(token["path"], f"{at}.path"))
    return causes
