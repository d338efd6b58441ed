"""The rules of level baseline: no known way out of a container."""

from typing import Any

from master.api.admission.pod_security.checks import (
    Check,
    Json,
    Violation,
    containers,
    named,
    plural,
    quoted,
    security_context,
    setters,
)

_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID",
        "SETPCAP", "SETUID", "SYS_CHROOT",
    }
)  # fmt: skip
#: The sysctls that are safe, by the minor version from which they are.
_SYSCTLS = {
    0: (
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
    ),
    27: ("net.ipv4.ip_local_reserved_ports",),
    29: (
        "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
    ),
    32: ("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
}  # fmt: skip
_SELINUX_TYPES = ("", "container_t", "container_init_t", "container_kvm_t")
_APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD, _SECCOMP_CONTAINER = (
    "seccomp.security.alpha.kubernetes.io/pod",
    "container.seccomp.security.alpha.kubernetes.io/",
)
PROFILES = ("Localhost", "RuntimeDefault")


def _app_armor(metadata: Json, spec: Json, minor: int) -> Violation | None:
    def wrong(context: Json) -> str | None:
        profile = context.get("appArmorProfile")
        kind = None if profile is None else profile.get("type", "")
        return None if kind is None or kind in PROFILES else str(kind)

    values: set[str] = set()
    pod = wrong(security_context(spec))
    bad: list[str] = []
    for name, _, context in containers(spec):
        value = wrong(context)
        if value is not None:
            bad.append(name)
            values.add(value)
    if pod is not None:
        values.add(pod)
    annotations = sorted(
        f'{key}="{value}"'
        for key, value in (metadata.get("annotations") or {}).items()
        if key.startswith(_APPARMOR_ANNOTATION) and value not in ("", "runtime/default") and not value.startswith("localhost/")
    )
    who = [text for text in (setters(pod is not None, bad), plural("annotation", annotations) if annotations else "") if text]
    if not who:
        return None
    listed = [*sorted(values), *annotations]
    return Violation(
        plural("forbidden AppArmor profile", listed),
        f"{' and '.join(who)} must not set AppArmor profile type to {quoted(listed)}",
    )


def _capabilities(metadata: Json, spec: Json, minor: int) -> Violation | None:
    bad: list[str] = []
    added: set[str] = set()
    for name, _, context in containers(spec):
        wrong = {one for one in (context.get("capabilities") or {}).get("add") or () if one not in _CAPABILITIES}
        if wrong:
            bad.append(name)
            added |= wrong
    if not bad:
        return None
    detail = f"{named(bad)} must not include {quoted(sorted(added))} in securityContext.capabilities.add"
    return Violation("non-default capabilities", detail)


def _host_namespaces(metadata: Json, spec: Json, minor: int) -> Violation | None:
    shared = [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
    return Violation("host namespaces", ", ".join(shared)) if shared else None


def _host_paths(metadata: Json, spec: Json, minor: int) -> Violation | None:
    bad = [volume.get("name", "") for volume in spec.get("volumes") or () if volume.get("hostPath") is not None]
    return Violation("hostPath volumes", named(bad, "volume")) if bad else None


def _host_ports(metadata: Json, spec: Json, minor: int) -> Violation | None:
    bad: list[str] = []
    ports: set[str] = set()
    for name, container, _ in containers(spec):
        used = {str(port["hostPort"]) for port in container.get("ports") or () if port.get("hostPort")}
        if used:
            bad.append(name)
            ports |= used
    if not bad:
        return None
    uses = "uses" if len(bad) == 1 else "use"
    return Violation("hostPort", f"{named(bad)} {uses} {plural('hostPort', ports)} {', '.join(sorted(ports))}")


def _privileged(metadata: Json, spec: Json, minor: int) -> Violation | None:
    bad = [name for name, _, context in containers(spec) if context.get("privileged")]
    return Violation("privileged", f"{named(bad)} must not set securityContext.privileged=true") if bad else None


def _proc_mount(metadata: Json, spec: Json, minor: int) -> Violation | None:
    found = [(name, context["procMount"]) for name, _, context in containers(spec) if context.get("procMount") is not None]
    bad = [name for name, value in found if value != "Default"]
    if not bad:
        return None
    values = sorted({value for _, value in found if value != "Default"})
    return Violation("procMount", f"{named(bad)} must not set securityContext.procMount to {quoted(values)}")


def _se_linux(metadata: Json, spec: Json, minor: int) -> Violation | None:
    allowed = (*_SELINUX_TYPES, "container_engine_t") if minor >= 31 else _SELINUX_TYPES
    types: set[str] = set()
    roles: set[str] = set()

    def is_wrong(context: Json) -> bool:
        options: Any = context.get("seLinuxOptions") or {}
        kind = options.get("type") or ""
        wrong = {field for field in ("user", "role") if options.get(field)}
        roles.update(wrong)
        if kind not in allowed:
            types.add(kind)
        return bool(wrong) or kind not in allowed

    pod = is_wrong(security_context(spec))
    bad = [name for name, _, context in containers(spec) if is_wrong(context)]
    who = setters(pod, bad)
    if not who:
        return None
    what = [f"{plural('type', types)} {quoted(sorted(types))}"] if types else []
    what += [f"{field} may not be set" for field in ("user", "role") if field in roles]
    return Violation("seLinuxOptions", f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(what)}")


def seccomp_setters(spec: Json) -> tuple[str, set[str]]:
    """Who sets a forbidden seccomp profile, and which ones."""
    values: set[str] = set()

    def is_wrong(context: Json) -> bool:
        profile = context.get("seccompProfile")
        if profile is None or profile.get("type") in PROFILES:
            return False
        values.add(profile.get("type") or "")
        return True

    pod = is_wrong(security_context(spec))
    bad = [name for name, _, context in containers(spec) if is_wrong(context)]
    return setters(pod, bad), values


def _seccomp(metadata: Json, spec: Json, minor: int) -> Violation | None:
    if minor < 19:
        return _seccomp_annotations(metadata, spec)
    who, values = seccomp_setters(spec)
    if not who:
        return None
    return Violation("seccompProfile", f"{who} must not set securityContext.seccompProfile.type to {quoted(sorted(values))}")


def _seccomp_annotations(metadata: Json, spec: Json) -> Violation | None:
    annotations = metadata.get("annotations") or {}
    keys = {_SECCOMP_POD, *(f"{_SECCOMP_CONTAINER}{name}" for name, _, _ in containers(spec))}
    bad = sorted(
        f'{key}="{annotations[key]}"'
        for key in keys & annotations.keys()
        if annotations[key] not in ("runtime/default", "docker/default") and not annotations[key].startswith("localhost/")
    )
    return Violation("seccompProfile", f"forbidden {plural('annotation', bad)} {', '.join(bad)}") if bad else None


def _sysctls(metadata: Json, spec: Json, minor: int) -> Violation | None:
    allowed = {name for since, listed in _SYSCTLS.items() if minor >= since for name in listed}
    wanted = [sysctl.get("name", "") for sysctl in security_context(spec).get("sysctls") or ()]
    bad = [name for name in wanted if name not in allowed]
    return Violation("forbidden sysctls", ", ".join(bad)) if bad else None


def _host_process(metadata: Json, spec: Json, minor: int) -> Violation | None:
    def is_wrong(context: Json) -> bool:
        return bool((context.get("windowsOptions") or {}).get("hostProcess"))

    who = setters(is_wrong(security_context(spec)), [name for name, _, context in containers(spec) if is_wrong(context)])
    return Violation("hostProcess", f"{who} must not set securityContext.windowsOptions.hostProcess=true") if who else None


CHECKS = (
    Check("appArmorProfile", _app_armor),
    Check("capabilities_baseline", _capabilities),
    Check("hostNamespaces", _host_namespaces),
    Check("hostPathVolumes", _host_paths),
    Check("hostPorts", _host_ports),
    Check("privileged", _privileged),
    Check("procMount", _proc_mount),
    Check("seLinuxOptions", _se_linux),
    Check("seccompProfile_baseline", _seccomp),
    Check("sysctls", _sysctls),
    Check("windowsHostProcess", _host_process),
)
