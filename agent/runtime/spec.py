"""What the kubelet asks of a container runtime and what it sees there, in the runtime's words, not in an engine's.

Plain frozen values: no I/O. Built by `agent.kubelet`, translated by each runtime.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

#: Labels that tie an engine's containers to pods. All carry the house's mark.
LABEL_KIND = "io.wherry.kind"
KIND_SANDBOX = "sandbox"
KIND_CONTAINER = "container"


@dataclass(frozen=True, slots=True)
class PortMapping:
    """A port of the sandbox that the host forwards to. `host_ip` is empty for every address."""

    container_port: int
    host_port: int
    protocol: str = "tcp"
    host_ip: str = ""


@dataclass(frozen=True, slots=True)
class Mount:
    """A bind mount of an existing host path. `propagation` is the kernel's word ("rprivate", "rslave", "rshared")."""

    source: str
    target: str
    read_only: bool = False
    propagation: str = "rprivate"


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits of one container. Zero or None: none. CPU in CFS terms, memory in bytes."""

    cpu_shares: int = 2
    cpu_quota: int = 0
    cpu_period: int = 100_000
    memory: int = 0
    pids: int = 0
    oom_score_adj: int = 0


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """What of a container's resources can change while it runs. Zero: none, and in an update: as it is."""

    cpu_shares: int = 0
    cpu_quota: int = 0
    cpu_period: int = 0
    memory: int = 0


@dataclass(frozen=True, slots=True)
class Security:
    """What the container's processes may do. `user` is "uid", "uid:gid" or a name in the image; empty: the image's."""

    user: str = ""
    supplemental_groups: tuple[int, ...] = ()
    privileged: bool = False
    capabilities_add: tuple[str, ...] = ()
    capabilities_drop: tuple[str, ...] = ()
    read_only_root: bool = False
    no_new_privileges: bool = False
    #: "", "runtime/default", "unconfined" or the profile's JSON itself.
    seccomp: str = ""
    #: "Default" hides parts of /proc, "Unmasked" shows them.
    proc_mount: str = "Default"
    #: "": the engine's default, "unconfined" or the name of a loaded profile.
    app_armor: str = ""
    #: SELinux: "user:…", "role:…", "type:…", "level:…".
    se_linux: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """Devices that a driver of the engine brings in (Docker: the NVIDIA container runtime)."""

    driver: str
    ids: tuple[str, ...]
    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """The container that holds a pod's namespaces.

    `network` names the pod network; None with `host_network`. `hostname` is empty with the host's network.
    """

    name: str
    image: str
    labels: Mapping[str, str]
    hostname: str = ""
    network: str | None = None
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    share_process_namespace: bool = False
    ports: tuple[PortMapping, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    #: The engine's name of an OCI runtime; "": its default.
    runtime: str = ""
    se_linux: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container of a pod. Empty `command` and `args` leave the image's entrypoint and command."""

    name: str
    image: str
    labels: Mapping[str, str]
    sandbox_id: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    working_dir: str = ""
    mounts: tuple[Mount, ...] = ()
    resources: Resources = Resources()
    security: Security = Security()
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    #: As the sandbox's.
    runtime: str = ""
    #: Host device, device in the container, cgroup permissions.
    devices: tuple[tuple[str, str, str], ...] = ()
    device_requests: tuple[DeviceRequest, ...] = ()
    host_pid: bool = False
    host_ipc: bool = False
    share_process_namespace: bool = False
    #: The container whose process namespace is joined; empty: none.
    target_id: str = ""
    log_max_bytes: int = 10 * 1024 * 1024
    log_max_files: int = 5


ContainerPhase = Literal["created", "running", "exited"]


@dataclass(frozen=True, slots=True)
class ContainerState:
    """A container or sandbox as the engine has it. `exit_code` and `finished_at` mean something once it has exited.

    A container whose start failed is "exited" with `start_error` set.
    """

    id: str
    name: str
    labels: Mapping[str, str]
    phase: ContainerPhase
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int = 0
    oom_killed: bool = False
    start_error: str = ""
    image: str = ""
    image_id: str = ""
    pid: int = 0
    #: Addresses on the pod network; empty for one with the host's network.
    ips: tuple[str, ...] = ()
    tty: bool = False
    #: Standard input ends with the first client that attaches to it.
    stdin_once: bool = False
    #: As last set, at the start or by an update.
    limits: ResourceLimits = ResourceLimits()

    @property
    def running(self) -> bool:
        return self.phase == "running"

    @property
    def is_sandbox(self) -> bool:
        return self.labels.get(LABEL_KIND) == KIND_SANDBOX


@dataclass(frozen=True, slots=True)
class Image:
    """An image on this host."""

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    size: int
    user: str = ""
    stop_signal: str = ""
    volumes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RegistryCredentials:
    """What a registry is shown at a pull; never logged."""

    username: str = field(repr=False, default="")
    password: str = field(repr=False, default="")
    server: str = ""
    identity_token: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """The engine and the host as it sees it."""

    name: str
    version: str
    operating_system: str
    kernel_version: str
    architecture: str
    cpus: int
    memory: int
    root: str
    #: The OCI runtimes that can be asked for by name.
    runtimes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Which lines of a container's log. Times are seconds since the epoch; None: no bound."""

    follow: bool = False
    timestamps: bool = False
    tail: int | None = None
    since: float | None = None


@dataclass(frozen=True, slots=True)
class RuntimeEvent:
    """Something happened to one of our containers: look at it. Without an id: the stream (re)started, look at all."""

    container_id: str = ""
    action: str = ""
