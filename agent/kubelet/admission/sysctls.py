"""Which sysctls a pod may set: those that are safe and those that the node's operator allows. Pure; used by admission.

https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/, kubelet's sysctl allowlist.
"""

from collections.abc import Iterable
from typing import Literal

from lightkube.models.core_v1 import Pod, PodSecurityContext

from agent.kubelet.pods import spec_of

#: Safe since Kubernetes 1.32 and before, with the namespace that each belongs to; every kernel that runs this has them.
SAFE = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
)
_IPC = ("kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced", "kernel.msgmax", "kernel.msgmnb",
        "kernel.msgmni", "kernel.sem")  # fmt: skip
_PREFIXES: dict[str, Literal["IPC", "Net"]] = {"kernel.shm": "IPC", "kernel.msg": "IPC", "fs.mqueue.": "IPC", "net.": "Net"}


def normalized(name: str) -> str:
    """With dots between its parts: where the first separator is a slash, slashes and dots change roles."""
    first = next((letter for letter in name if letter in "./"), ".")
    return name.translate({ord("/"): ".", ord("."): "/"}) if first == "/" else name


def namespace_of(name: str) -> Literal["IPC", "Net"] | None:
    """The kernel namespace that gives each pod its own; None: it is the host's. `name` may end with "*"."""
    if name in _IPC:
        return "IPC"
    return next((namespace for prefix, namespace in _PREFIXES.items() if name.startswith(prefix)), None)


def forbidden(pod: Pod, *, allowed_unsafe: Iterable[str]) -> str:
    """Why the pod's sysctls are refused, in kubelet's words; "" when they are not."""
    spec = spec_of(pod)
    patterns = (*SAFE, *(normalized(pattern) for pattern in allowed_unsafe))
    for sysctl in (spec.securityContext or PodSecurityContext()).sysctls or ():
        name = normalized(sysctl.name)
        if not any(_matches(name, pattern) for pattern in patterns):
            return f'forbidden sysctl: "{name}" not allowlisted'
        namespace = namespace_of(name)
        if (namespace == "IPC" and spec.hostIPC) or (namespace == "Net" and spec.hostNetwork):
            return f'forbidden sysctl: "{name}" not allowed with host {namespace} enabled'
    return ""


def _matches(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
