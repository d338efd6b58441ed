"""A container's security context, its own over its pod's, in the runtime's words. Pure.

https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
"""

from pathlib import Path

from lightkube.models.core_v1 import Capabilities, Container, Pod, PodSecurityContext, SecurityContext, SELinuxOptions

from agent.kubelet.admission.app_armor import app_armor_profile
from agent.kubelet.labels import identity
from agent.kubelet.pod.environment import InvalidContainer
from agent.kubelet.pods import spec_of
from agent.runtime.spec import Image, Security


def security(pod: Pod, container: Container, image: Image, *, seccomp_root: Path) -> Security:
    """Raises InvalidContainer when runAsNonRoot is not kept or a seccomp profile is missing."""
    shared = spec_of(pod).securityContext or PodSecurityContext()
    own = container.securityContext or SecurityContext()
    uid = own.runAsUser if own.runAsUser is not None else shared.runAsUser
    gid = own.runAsGroup if own.runAsGroup is not None else shared.runAsGroup
    _check_non_root(pod, container, image, uid, required=_first(own.runAsNonRoot, shared.runAsNonRoot))
    user = "" if uid is None else str(uid)
    if gid is not None:
        user = f"{user or image.user.partition(':')[0] or '0'}:{gid}"
    groups = list(shared.supplementalGroups or [])
    if shared.fsGroup is not None and shared.fsGroup not in groups:
        groups.append(shared.fsGroup)
    capabilities = own.capabilities or Capabilities()
    return Security(
        user=user,
        supplemental_groups=tuple(groups),
        privileged=bool(own.privileged),
        capabilities_add=tuple(capabilities.add or ()),
        capabilities_drop=tuple(capabilities.drop or ()),
        read_only_root=bool(own.readOnlyRootFilesystem),
        no_new_privileges=own.allowPrivilegeEscalation is False,
        seccomp=_seccomp(own, shared, seccomp_root),
        proc_mount=own.procMount or "Default",
        app_armor=_app_armor(pod, container, privileged=bool(own.privileged)),
        se_linux=se_linux(own.seLinuxOptions or shared.seLinuxOptions),
    )


def se_linux(options: SELinuxOptions | None) -> tuple[str, ...]:
    """In the engine's words; a host without SELinux ignores them, as with Kubernetes."""
    if options is None:
        return ()
    named = {"user": options.user, "role": options.role, "type": options.type, "level": options.level}
    return tuple(f"{name}:{value}" for name, value in named.items() if value)


def _app_armor(pod: Pod, container: Container, *, privileged: bool) -> str:
    profile = app_armor_profile(pod, container)
    if profile is None or privileged:
        return ""
    match profile.type:
        case "Unconfined":
            return "unconfined"
        case "Localhost":
            return profile.localhostProfile or ""
        case _:
            return ""


def _first(own: bool | None, shared: bool | None) -> bool:
    return bool(own if own is not None else shared)


def _check_non_root(pod: Pod, container: Container, image: Image, uid: int | None, *, required: bool) -> None:
    if not required:
        return
    where = f'(pod: "{identity(pod)}", container: {container.name})'
    if uid == 0:
        raise InvalidContainer(f"container's runAsUser breaks non-root policy {where}")
    if uid is not None:
        return
    name = image.user.partition(":")[0]
    if name.isdigit():
        if int(name) == 0:
            raise InvalidContainer(f"container has runAsNonRoot and image will run as root {where}")
    elif name:
        raise InvalidContainer(
            f"container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root {where}"
        )
    else:
        raise InvalidContainer(f"container has runAsNonRoot and image will run as root {where}")


def _seccomp(own: SecurityContext, shared: PodSecurityContext, root: Path) -> str:
    profile = own.seccompProfile or shared.seccompProfile
    if own.privileged or profile is None:
        # Without a profile the engine's own default holds: stricter than kubelet's Unconfined, as with --seccomp-default.
        return "" if profile is None else "unconfined"
    match profile.type:
        case "Unconfined":
            return "unconfined"
        case "Localhost":
            path = (root / (profile.localhostProfile or "")).resolve()
            if not path.is_relative_to(root.resolve()) or not path.is_file():
                problem = f'cannot load seccomp profile "{path}": open {path}: no such file or directory'
                raise InvalidContainer(f"failed to create container: {problem}", reason="CreateContainerError")
            return path.read_text(encoding="utf-8")
        case _:
            return "runtime/default"
