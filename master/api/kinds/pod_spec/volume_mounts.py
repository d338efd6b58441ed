"""Validation of where a container mounts the pod's volumes (ValidateVolumeMounts), and of paths inside volumes."""

from collections.abc import Mapping
from typing import Any

from master.api.kinds.rules.field_errors import forbidden, invalid, not_found, not_supported, required
from master.client.errors import Cause

Json = dict[str, Any]

RECURSIVE_READ_ONLY = ("Disabled", "Enabled", "IfPossible")
PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")


def validate_volume_mounts(container: Json, volumes: Mapping[str, Json], path: str) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    privileged = bool((container.get("securityContext") or {}).get("privileged"))
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        where = f"{path}.volumeMounts[{index}]"
        name, mount_path = mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            causes.append(required(f"{where}.name"))
        elif name not in volumes:
            causes.append(not_found(f"{where}.name", name))
        if not mount_path:
            causes.append(required(f"{where}.mountPath"))
        elif mount_path in seen:
            causes.append(invalid(f"{where}.mountPath", mount_path, "must be unique"))
        seen.add(mount_path)
        for field in ("subPath", "subPathExpr"):
            if mount.get(field):
                causes.extend(local_descending_path(mount[field], f"{where}.{field}"))
        if mount.get("subPath") and mount.get("subPathExpr"):
            causes.append(
                invalid(f"{where}.subPathExpr", mount["subPathExpr"], "subPathExpr and subPath are mutually exclusive")
            )
        causes.extend(_validate_propagation(mount, f"{where}.mountPropagation", privileged=privileged))
        causes.extend(_validate_recursive_read_only(mount, f"{where}.recursiveReadOnly"))
    return causes


def validate_volume_devices(container: Json, volumes: Mapping[str, Json], path: str) -> list[Cause]:
    """Where a container finds volumes in block mode (ValidateVolumeDevices)."""
    causes: list[Cause] = []
    mounted = {mount.get("name") for mount in container.get("volumeMounts") or ()}
    names: set[str] = set()
    paths: set[str] = set()
    for index, device in enumerate(container.get("volumeDevices") or ()):
        where, name, target = f"{path}[{index}]", device.get("name") or "", device.get("devicePath") or ""
        volume = volumes.get(name)
        if not name:
            causes.append(required(f"{where}.name"))
        elif volume is None:
            causes.append(not_found(f"{where}.name", name))
        elif name in names:
            causes.append(invalid(f"{where}.name", name, "must be unique"))
        elif volume.keys() - {"name"} and not volume.keys() & {"persistentVolumeClaim", "ephemeral"}:
            message = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            causes.append(invalid(f"{where}.name", name, message))
        if not target:
            causes.append(required(f"{where}.devicePath"))
        elif target in paths:
            causes.append(invalid(f"{where}.devicePath", target, "must be unique"))
        elif ".." in target.split("/"):
            causes.append(invalid(f"{where}.devicePath", target, "can not contain backsteps ('..')"))
        if name and name in mounted:
            causes.append(invalid(f"{where}.name", name, "must not already exist in volumeMounts"))
        names.add(name)
        paths.add(target)
    return causes


def local_descending_path(path: str, where: str) -> list[Cause]:
    """A path that stays where it begins."""
    causes: list[Cause] = []
    if path.startswith("/"):
        causes.append(invalid(where, path, "must be a relative path"))
    return causes + no_backsteps(path, where)


def no_backsteps(path: str, where: str) -> list[Cause]:
    return [invalid(where, path, "must not contain '..'")] if ".." in path.split("/") else []


def _validate_propagation(mount: Json, where: str, *, privileged: bool) -> list[Cause]:
    propagation = mount.get("mountPropagation")
    if propagation is None:
        return []
    if propagation not in PROPAGATIONS:
        return [not_supported(where, propagation, PROPAGATIONS)]
    if propagation == "Bidirectional" and not privileged:
        return [forbidden(where, "Bidirectional mount propagation is available only to privileged containers")]
    return []


def _validate_recursive_read_only(mount: Json, where: str) -> list[Cause]:
    mode = mount.get("recursiveReadOnly")
    if mode is None or mode == "Disabled":
        return []
    if mode not in RECURSIVE_READ_ONLY:
        return [not_supported(where, mode, RECURSIVE_READ_ONLY)]
    causes = [] if mount.get("readOnly") else [forbidden(where, "may only be specified when readOnly is true")]
    if (mount.get("mountPropagation") or "None") != "None":
        causes.append(forbidden(where, "may only be specified when mountPropagation is None or not specified"))
    return causes
