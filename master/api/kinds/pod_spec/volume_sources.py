"""Volume sources that pods and PersistentVolumes share, many of one storage vendor: their defaults and required fields.

Called by `volumes` and by the kinds of storage. Pure. Source: pkg/apis/core/validation (validate…VolumeSource).
"""

from typing import Any

from master.api.kinds.pod_spec.volume_mounts import no_backsteps
from master.api.kinds.rules.field_errors import invalid, not_supported, required
from master.client.errors import Cause

Json = dict[str, Any]

HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
#: Fields that a source must have, in the order in which they are named.
_REQUIRED: dict[str, tuple[str, ...]] = {
    "awsElasticBlockStore": ("volumeID",),
    "azureDisk": ("diskName", "diskURI"),
    "azureFile": ("secretName", "shareName"),
    "cephfs": ("monitors",),
    "cinder": ("volumeID",),
    "flexVolume": ("driver",),
    "gcePersistentDisk": ("pdName",),
    "glusterfs": ("endpoints", "path"),
    "iscsi": ("targetPortal", "iqn"),
    "local": ("path",),
    "nfs": ("server", "path"),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "rbd": ("monitors", "image"),
    "scaleIO": ("gateway", "system", "volumeName"),
    "vsphereVolume": ("volumePath",),
}
_DEFAULTS: dict[str, Json] = {
    "azureDisk": {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False},
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}
_MAX_LUN = 255


def default_source(holder: Json) -> None:
    """Defaults of the source that a volume or a PersistentVolume's spec holds."""
    for kind, defaults in _DEFAULTS.items():
        if holder.get(kind) is not None:
            for field, value in defaults.items():
                holder[kind].setdefault(field, value)


def validate_shared_source(kind: str, source: Json, path: str) -> list[Cause]:
    """Errors of a source of this kind; one that is not shared has none here."""
    causes = [required(f"{path}.{field}") for field in _REQUIRED.get(kind, ()) if not source.get(field)]
    match kind:
        case "hostPath":
            causes.extend(_validate_host_path(source, path))
        case "nfs":
            if source.get("path") and not source["path"].startswith("/"):
                causes.append(invalid(f"{path}.path", source["path"], "must be an absolute path"))
        case "local":
            causes.extend(no_backsteps(source.get("path") or "", f"{path}.path"))
        case "awsElasticBlockStore" | "gcePersistentDisk":
            causes.extend(_in_byte(source.get("partition"), f"{path}.partition"))
        case "iscsi":
            causes.extend(_validate_iscsi(source, path))
        case "fc":
            causes.extend(_validate_fibre_channel(source, path))
        case "flocker":
            causes.extend(_validate_flocker(source, path))
        case "quobyte":
            causes.extend(_validate_quobyte(source, path))
        case "scaleIO" | "cephfs" | "rbd" | "cinder" | "flexVolume":
            causes.extend(_validate_secret(source, path))
    return causes


def _validate_host_path(source: Json, path: str) -> list[Cause]:
    host_path, kind = source.get("path") or "", source.get("type")
    if not host_path:
        return [required(f"{path}.path")]
    causes = no_backsteps(host_path, f"{path}.path")
    if kind is not None and kind not in HOST_PATH_TYPES:
        causes.append(not_supported(f"{path}.type", kind, HOST_PATH_TYPES))
    return causes


def _validate_iscsi(source: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    iqn = source.get("iqn") or ""
    if iqn and not iqn.startswith(("iqn", "eui", "naa")):
        causes.append(invalid(f"{path}.iqn", iqn, "must be valid format starting with iqn, eui, or naa"))
    causes.extend(_in_byte(source.get("lun"), f"{path}.lun"))
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and source.get("secretRef") is None:
        causes.append(required(f"{path}.secretRef"))
    return causes


def _validate_fibre_channel(source: Json, path: str) -> list[Cause]:
    names, ids, lun = source.get("targetWWNs") or (), source.get("wwids") or (), source.get("lun")
    if not names and not ids:
        return [required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both")]
    if names and ids:
        return [invalid(f"{path}.targetWWNs", names, "targetWWNs and wwids can not be specified simultaneously")]
    if names and lun is None:
        return [required(f"{path}.lun", "lun is required if targetWWNs is specified")]
    return _in_byte(lun, f"{path}.lun") if names else []


def _validate_flocker(source: Json, path: str) -> list[Cause]:
    name, uuid = source.get("datasetName") or "", source.get("datasetUUID") or ""
    if not name and not uuid:
        return [required(path, "one of datasetName and datasetUUID is required")]
    if name and uuid:
        return [invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")]
    return [invalid(f"{path}.datasetName", name, "must not contain '/'")] if "/" in name else []


def _validate_quobyte(source: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    registry = source.get("registry") or ""
    if not registry:
        causes.append(required(f"{path}.registry", "must be a host:port pair or multiple pairs separated by commas"))
    elif any(":" not in pair for pair in registry.split(",")):
        causes.append(invalid(f"{path}.registry", registry, "must be a host:port pair or multiple pairs separated by commas"))
    if not source.get("volume"):
        causes.append(required(f"{path}.volume"))
    return causes


def _validate_secret(source: Json, path: str) -> list[Cause]:
    secret = source.get("secretRef")
    return [required(f"{path}.secretRef.name")] if secret is not None and not secret.get("name") else []


def _in_byte(number: Any, path: str) -> list[Cause]:
    if number is None or 0 <= number <= _MAX_LUN:
        return []
    return [invalid(path, number, "must be between 0 and 255, inclusive")]
