"""A container's AppArmor profile, and whether this host can enforce it. Used by admission and by the security context.

https://kubernetes.io/docs/tutorials/security/apparmor/
"""

from pathlib import Path

from lightkube.models.core_v1 import AppArmorProfile, Container, Pod, PodSecurityContext, SecurityContext

from agent.kubelet.pods import every_container, spec_of

#: Before Kubernetes 1.30 the only way to ask for one; static pods may still use it.
_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
_ENABLED = Path("/sys/module/apparmor/parameters/enabled")


def app_armor_profile(pod: Pod, container: Container) -> AppArmorProfile | None:
    """The container's own, else its annotation's, else the pod's; None: the engine's default where there is one."""
    own = (container.securityContext or SecurityContext()).appArmorProfile
    if own is not None:
        return own
    annotations = (pod.metadata.annotations if pod.metadata is not None else None) or {}
    match annotations.get(_ANNOTATION + container.name, ""):
        case "runtime/default":
            return AppArmorProfile("RuntimeDefault")
        case "unconfined":
            return AppArmorProfile("Unconfined")
        case value if value.startswith("localhost/"):
            return AppArmorProfile("Localhost", value.removeprefix("localhost/"))
    return (spec_of(pod).securityContext or PodSecurityContext()).appArmorProfile


def app_armor_problem(pod: Pod, *, enabled: bool) -> str:
    """Why the pod's profiles cannot be enforced here, in kubelet's words; "" when they can, or when there are none."""
    profiles = [app_armor_profile(pod, container) for container in every_container(pod)]
    if enabled or all(profile is None or profile.type == "Unconfined" for profile in profiles):
        return ""
    return "Cannot enforce AppArmor: AppArmor is not enabled on the host"


def app_armor_enabled() -> bool:
    """Blocking but instant."""
    try:
        return _ENABLED.read_text().startswith("Y")
    except OSError:
        return False
