"""Validation of the security contexts of a pod and of a container (ValidatePodSecurityContext, ValidateSecurityContext)."""

import re
from typing import Any

from master.api.kinds.rules.field_errors import duplicate, forbidden, invalid, not_supported, required, too_long
from master.client.errors import Cause

Json = dict[str, Any]

_MAX_ID = 2**31 - 1
_ID_MESSAGE = f"must be between 0 and {_MAX_ID}, inclusive"
_SYSCTL = re.compile(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*\Z")
_SYSCTL_LIMIT = 253
#: Types of seccomp and of AppArmor profiles.
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_APP_ARMOR_LIMIT = 4095
_FS_GROUP_POLICIES = ("Always", "OnRootMismatch")


def validate_pod_security(spec: Json, path: str) -> list[Cause]:
    context = spec.get("securityContext") or {}
    where = f"{path}.securityContext"
    causes = _validate_ids(context, where, ("runAsUser", "runAsGroup", "fsGroup"))
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        if not 0 <= group <= _MAX_ID:
            causes.append(invalid(f"{where}.supplementalGroups[{index}]", group, _ID_MESSAGE))
    seen: set[str] = set()
    for index, sysctl in enumerate(context.get("sysctls") or ()):
        name, at = sysctl.get("name") or "", f"{where}.sysctls[{index}].name"
        if not name:
            causes.append(required(at))
        elif len(name) > _SYSCTL_LIMIT or not _SYSCTL.match(name):
            causes.append(
                invalid(at, name, f"must have at most {_SYSCTL_LIMIT} characters and match regex {_SYSCTL.pattern[:-2]}")
            )
        elif name in seen:
            causes.append(duplicate(at, name))
        seen.add(name)
    policy = context.get("fsGroupChangePolicy")
    if policy is not None and policy not in _FS_GROUP_POLICIES:
        causes.append(not_supported(f"{where}.fsGroupChangePolicy", policy, _FS_GROUP_POLICIES))
    causes.extend(_validate_seccomp(context.get("seccompProfile"), f"{where}.seccompProfile"))
    causes.extend(_validate_app_armor(context.get("appArmorProfile"), f"{where}.appArmorProfile"))
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        causes.append(
            invalid(f"{where}.shareProcessNamespace", True, "ShareProcessNamespace and HostPID cannot both be enabled")
        )
    return causes


def validate_container_security(context: Json | None, path: str) -> list[Cause]:
    if context is None:
        return []
    causes = _validate_ids(context, path, ("runAsUser", "runAsGroup"))
    causes.extend(_validate_seccomp(context.get("seccompProfile"), f"{path}.seccompProfile"))
    causes.extend(_validate_app_armor(context.get("appArmorProfile"), f"{path}.appArmorProfile"))
    proc_mount = context.get("procMount")
    if proc_mount is not None and proc_mount not in ("Default", "Unmasked"):
        causes.append(not_supported(f"{path}.procMount", proc_mount, ("Default", "Unmasked")))
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            message = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            causes.append(invalid(path, context, message))
        elif "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            message = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            causes.append(invalid(path, context, message))
    return causes


def _validate_ids(context: Json, path: str, fields: tuple[str, ...]) -> list[Cause]:
    return [
        invalid(f"{path}.{field}", context[field], _ID_MESSAGE)
        for field in fields
        if context.get(field) is not None and not 0 <= context[field] <= _MAX_ID
    ]


def _validate_seccomp(profile: Json | None, path: str) -> list[Cause]:
    if profile is None:
        return []
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    if not kind:
        return [required(f"{path}.type", "type is required when seccompProfile is set")]
    if kind not in _PROFILES:
        return [not_supported(f"{path}.type", kind, _PROFILES)]
    if kind == "Localhost" and not local:
        return [required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost")]
    if kind != "Localhost" and local is not None:
        return [forbidden(f"{path}.localhostProfile", "can only be set when seccomp type is Localhost")]
    return []


def _validate_app_armor(profile: Json | None, path: str) -> list[Cause]:
    """ValidateAppArmorProfileField."""
    if profile is None:
        return []
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    if not kind:
        return [required(f"{path}.type", "type is required when appArmorProfile is set")]
    if kind not in _PROFILES:
        return [not_supported(f"{path}.type", kind, _PROFILES)]
    where = f"{path}.localhostProfile"
    if kind != "Localhost":
        return [] if local is None else [invalid(where, local, "can only be set when AppArmor type is Localhost")]
    if not local:
        return [required(where, "must be set when AppArmor type is Localhost")]
    if local != local.strip():
        return [invalid(where, local, "must not be padded with whitespace")]
    return [too_long(where, _APP_ARMOR_LIMIT)] if len(local) > _APP_ARMOR_LIMIT else []
