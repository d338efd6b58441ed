"""The rules of level restricted, on top of baseline's: pods are hardened."""

from master.api.admission.pod_security.baseline import PROFILES, seccomp_setters
from master.api.admission.pod_security.checks import (
    Check,
    Json,
    Violation,
    containers,
    is_windows,
    named,
    plural,
    quoted,
    security_context,
    setters,
)

_VOLUMES = (
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
)  # fmt: skip
_FORBIDDEN_VOLUMES = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "nfs", "iscsi", "glusterfs", "rbd", "flexVolume",
    "cinder", "cephfs", "flocker", "fc", "azureFile", "vsphereVolume", "quobyte", "azureDisk", "photonPersistentDisk",
    "portworxVolume", "scaleIO", "storageos",
)  # fmt: skip
#: From this version on, pods of Windows are not asked for what Windows does not have.
_WINDOWS_SINCE = 25


def _allow_privilege_escalation(metadata: Json, spec: Json, minor: int) -> Violation | None:
    if minor >= _WINDOWS_SINCE and is_windows(spec):
        return None
    bad = [name for name, _, context in containers(spec) if context.get("allowPrivilegeEscalation") is not False]
    if not bad:
        return None
    detail = f"{named(bad)} must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", detail)


def _capabilities(metadata: Json, spec: Json, minor: int) -> Violation | None:
    if minor >= _WINDOWS_SINCE and is_windows(spec):
        return None
    keeping: list[str] = []
    adding: list[str] = []
    added: set[str] = set()
    for name, _, context in containers(spec):
        capabilities = context.get("capabilities") or {}
        if "ALL" not in (capabilities.get("drop") or ()):
            keeping.append(name)
        wrong = {one for one in capabilities.get("add") or () if one != "NET_BIND_SERVICE"}
        if wrong:
            adding.append(name)
            added |= wrong
    details = []
    if keeping:
        details.append(f'{named(keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        details.append(f"{named(adding)} must not include {quoted(sorted(added))} in securityContext.capabilities.add")
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


def _volumes(metadata: Json, spec: Json, minor: int) -> Violation | None:
    bad: list[str] = []
    types: set[str] = set()
    for volume in spec.get("volumes") or ():
        if any(volume.get(kind) is not None for kind in _VOLUMES):
            continue
        bad.append(volume.get("name", ""))
        types.add(next((kind for kind in _FORBIDDEN_VOLUMES if volume.get(kind) is not None), "unknown"))
    if not bad:
        return None
    uses = "uses" if len(bad) == 1 else "use"
    detail = f"{named(bad, 'volume')} {uses} {plural('restricted volume type', types)} {quoted(sorted(types))}"
    return Violation("restricted volume types", detail)


def _run_as_non_root(metadata: Json, spec: Json, minor: int) -> Violation | None:
    reason = "runAsNonRoot != true"
    pod = security_context(spec).get("runAsNonRoot")
    own = [(name, context.get("runAsNonRoot")) for name, _, context in containers(spec)]
    who = setters(pod is False, [name for name, value in own if value is False])
    if who:
        return Violation(reason, f"{who} must not set securityContext.runAsNonRoot=false")
    silent = [name for name, value in own if value is None]
    if pod or not silent:
        return None
    return Violation(reason, f"pod or {named(silent)} must set securityContext.runAsNonRoot=true")


def _run_as_user(metadata: Json, spec: Json, minor: int) -> Violation | None:
    bad = [name for name, _, context in containers(spec) if context.get("runAsUser") == 0]
    who = setters(security_context(spec).get("runAsUser") == 0, bad)
    return Violation("runAsUser=0", f"{who} must not set runAsUser=0") if who else None


def _seccomp(metadata: Json, spec: Json, minor: int) -> Violation | None:
    if minor >= _WINDOWS_SINCE and is_windows(spec):
        return None
    who, values = seccomp_setters(spec)
    if who:
        detail = f"{who} must not set securityContext.seccompProfile.type to {quoted(sorted(values))}"
        return Violation("seccompProfile", detail)
    pod = (security_context(spec).get("seccompProfile") or {}).get("type") in PROFILES
    silent = [name for name, _, context in containers(spec) if context.get("seccompProfile") is None]
    if pod or not silent:
        return None
    detail = f'pod or {named(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Violation("seccompProfile", detail)


CHECKS = (
    Check("allowPrivilegeEscalation", _allow_privilege_escalation, since=8),
    Check("capabilities_restricted", _capabilities, since=22, instead_of="capabilities_baseline"),
    Check("restrictedVolumes", _volumes, instead_of="hostPathVolumes"),
    Check("runAsNonRoot", _run_as_non_root),
    Check("runAsUser", _run_as_user, since=23),
    Check("seccompProfile_restricted", _seccomp, since=19, instead_of="seccompProfile_baseline"),
)
