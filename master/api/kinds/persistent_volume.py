"""PersistentVolume: a piece of storage of the cluster; where it is never changes.

Its protection finalizer is set by admission (StorageObjectInUseProtection).
"""

import posixpath
from datetime import UTC, datetime
from typing import Any

from master.api.kinds.kind import Json, Kind
from master.api.kinds.pod_spec.scheduling import validate_node_selector
from master.api.kinds.pod_spec.volume_sources import default_source, validate_shared_source
from master.api.kinds.rules import names
from master.api.kinds.rules.claims import VOLUME_MODES, positive, validate_access_modes, validate_class_name
from master.api.kinds.rules.csi import validate_driver_name
from master.api.kinds.rules.field_errors import forbidden, invalid, keyed, not_supported, required, shown
from master.api.kinds.rules.lifecycle import keep_status, only_status
from master.api.kinds.rules.metadata import immutable, validate_metadata
from master.api.kinds.rules.semantic import semantic
from master.api.printers import persistent_volume as printer
from master.client.errors import Cause
from proto.k8s.quantity import parse
from proto.k8s.time import format_time

RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
SOURCES = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd", "quobyte", "cephfs",
    "iscsi", "cinder", "fc", "flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk",
    "scaleIO", "local", "storageos", "csi",
)  # fmt: skip
_CSI_SECRETS = (
    "controllerPublishSecretRef", "nodeStageSecretRef", "nodePublishSecretRef", "controllerExpandSecretRef",
    "nodeExpandSecretRef",
)  # fmt: skip


def _default(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("persistentVolumeReclaimPolicy"):
        spec["persistentVolumeReclaimPolicy"] = "Retain"
    if not spec.get("volumeMode"):
        spec["volumeMode"] = "Filesystem"
    default_source(spec)
    status = obj.setdefault("status", {})
    if not status.get("phase"):
        status["phase"] = "Pending"


def _prepare_for_create(obj: Json) -> None:
    obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": format_time(datetime.now(UTC))}
    (obj.get("spec") or {}).pop("volumeAttributesClassName", None)


def _prepare_for_update(obj: Json, old: Json) -> None:
    _default(obj)
    keep_status(obj, old)
    if not (old.get("spec") or {}).get("volumeAttributesClassName"):
        obj["spec"].pop("volumeAttributesClassName", None)


def _prepare_for_status_update(obj: Json, old: Json) -> None:
    only_status(obj, old)
    status, before = obj.setdefault("status", {}), old.get("status") or {}
    field = "lastPhaseTransitionTime"
    if status.get("phase") != before.get("phase") and status.get(field) in (None, before.get(field)):
        status[field] = format_time(datetime.now(UTC))


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain, namespaced=False)
    spec = obj.get("spec") or {}
    if not spec.get("accessModes"):
        causes.append(required("spec.accessModes"))
    causes.extend(validate_access_modes(spec.get("accessModes") or (), "spec.accessModes"))
    causes.extend(_validate_capacity(spec.get("capacity") or {}))
    policy = spec.get("persistentVolumeReclaimPolicy")
    if policy and policy not in RECLAIM_POLICIES:
        causes.append(not_supported("spec.persistentVolumeReclaimPolicy", policy, RECLAIM_POLICIES))
    causes.extend(_validate_affinity(spec.get("nodeAffinity")))
    causes.extend(_validate_source(spec))
    host_path = spec.get("hostPath") or {}
    if host_path.get("path") and posixpath.normpath(host_path["path"]) == "/" and policy == "Recycle":
        message = "may not be 'recycle' for a hostPath mount of '/'"
        causes.append(forbidden("spec.persistentVolumeReclaimPolicy", message))
    causes.extend(validate_class_name(spec.get("storageClassName"), "spec.storageClassName"))
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        causes.append(not_supported("spec.volumeMode", mode, VOLUME_MODES))
    if old is not None:
        causes.extend(_validate_update(spec, old.get("spec") or {}))
    return causes


def _validate_capacity(capacity: Json) -> list[Cause]:
    causes: list[Cause] = []
    if not capacity:
        causes.append(required("spec.capacity"))
    if set(capacity) != {"storage"}:
        causes.append(not_supported("spec.capacity", capacity, ["storage"]))
    for name, quantity in capacity.items():
        path = keyed("spec.capacity", name)
        if parse(quantity) < 0:
            causes.append(invalid(path, quantity, "must be a valid resource quantity"))
        causes.extend(positive(quantity, path))
    return causes


def _validate_affinity(affinity: Json | None) -> list[Cause]:
    if affinity is None:
        return []
    path = "spec.nodeAffinity.required"
    if affinity.get("required") is None:
        return [required(path, "must specify required node constraints")]
    return validate_node_selector(affinity["required"], path)


def _validate_source(spec: Json) -> list[Cause]:
    given = [source for source in SOURCES if spec.get(source) is not None]
    if not given:
        return [required("spec", "must specify a volume type")]
    kind, source, path = given[0], spec[given[0]], f"spec.{given[0]}"
    causes = [forbidden(f"spec.{other}", "may not specify more than 1 volume type") for other in given[1:]]
    if kind == "csi":
        causes.extend(_validate_csi(source, path))
    else:
        causes.extend(validate_shared_source(kind, source, path))
    if kind == "local" and not (spec.get("nodeAffinity") or {}).get("required"):
        causes.append(required("spec.nodeAffinity", "Local volume requires node affinity"))
    return causes


def _validate_csi(source: Json, path: str) -> list[Cause]:
    causes = validate_driver_name(source.get("driver") or "", f"{path}.driver")
    if not source.get("volumeHandle"):
        causes.append(required(f"{path}.volumeHandle"))
    for field in _CSI_SECRETS:
        if (secret := source.get(field)) is not None:
            causes.extend(required(f"{path}.{field}.{part}") for part in ("name", "namespace") if not secret.get(part))
    return causes


def _warnings(obj: Json, old: Json | None) -> list[str]:
    if (obj.get("spec") or {}).get("persistentVolumeReclaimPolicy") != "Recycle":
        return []
    return [
        "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is "
        "to use dynamic provisioning."
    ]


def _validate_update(spec: Json, before: Json) -> list[Cause]:
    causes: list[Cause] = []
    new, old = _sources(spec), _sources(before)
    expand = "controllerExpandSecretRef"
    if "csi" in new and "csi" in old and expand not in old["csi"]:
        new["csi"].pop(expand, None)
    if new != old:
        changed = f"- {shown(old)}\n+ {shown(new)}"
        message = f"spec.persistentvolumesource is immutable after creation\n{changed}"
        causes.append(forbidden("spec.persistentvolumesource", message))
    causes.extend(immutable(spec.get("volumeMode"), before.get("volumeMode"), "volumeMode"))
    if before.get("nodeAffinity"):
        causes.extend(immutable(spec.get("nodeAffinity"), before["nodeAffinity"], "nodeAffinity"))
    return causes


def _sources(spec: Json) -> dict[str, Any]:
    return {source: semantic(spec[source]) for source in SOURCES if spec.get(source) is not None}


KIND = Kind(
    group="",
    version="v1",
    kind="PersistentVolume",
    plural="persistentvolumes",
    singular="persistentvolume",
    short_names=("pv",),
    namespaced=False,
    definition="io.k8s.api.core.v1.PersistentVolume",
    subresources=frozenset({"status"}),
    default=_default,
    validate=_validate,
    warnings=_warnings,
    prepare_for_create=_prepare_for_create,
    prepare_for_update=_prepare_for_update,
    prepare_for_status_update=_prepare_for_status_update,
    columns=printer.COLUMNS,
    row=printer.row,
)
