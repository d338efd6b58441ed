"""The kubelet's slice of the agent's settings, in Kubernetes' words and with its defaults."""

import os
import re
from typing import Annotated

import msgspec

from agent.settings import eviction
from agent.settings.devices import ExtendedResourceSettings, check_names
from proto.daemon.settings import Settings
from proto.k8s import quantity

Seconds = Annotated[float, msgspec.Meta(ge=0)]

_SYSCTL = re.compile(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*([./]?\*)?\Z")
#: Beginnings of the sysctls that each pod has of its own: the others are the host's.
_NAMESPACED = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.", "net.")


class ReservedSettings(Settings, frozen=True):
    """Kept back from the node's capacity, as Kubernetes quantities ("100m", "256Mi")."""

    cpu: str = "0"
    memory: str = "0"
    ephemeral_storage: str = "0"
    #: Processes, which no container can take.
    pid: str = "0"

    def __post_init__(self) -> None:
        for value in (self.cpu, self.memory, self.ephemeral_storage, self.pid):
            if quantity.parse(value) < 0:  # InvalidQuantity is a ValueError
                raise ValueError(f"{value} must not be negative")


class KubeletSettings(Settings, frozen=True):
    """Times in seconds, sizes in bytes."""

    #: Built on this host from `sandbox_binary` when it is not there; a registry is never asked for it.
    sandbox_image: str = "wherry/pause:1"
    #: A static busybox.
    sandbox_binary: str = "/bin/busybox"
    max_pods: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 110
    #: Docker's events tell changes at once; the relist finds what they missed.
    relist_period: float = 30.0
    container_log_max_size: int = 10 * 1024 * 1024
    container_log_max_files: int = 5
    node_status_report_period: float = 300.0
    #: Kept back from the node's capacity for the system, and for wherry, Docker and the like.
    system_reserved: ReservedSettings = ReservedSettings()
    kube_reserved: ReservedSettings = ReservedSettings()
    #: By signal, a quantity or a percentage of the capacity: below it pods are evicted at once; see agent.settings.eviction.
    eviction_hard: dict[str, str] = msgspec.field(default_factory=lambda: dict(eviction.DEFAULT_HARD))
    #: Below it for as long as its grace period, they are evicted with at most `eviction_max_pod_grace_period`.
    eviction_soft: dict[str, str] = msgspec.field(default_factory=dict)
    eviction_soft_grace_period: dict[str, float] = msgspec.field(default_factory=dict)
    eviction_max_pod_grace_period: Annotated[int, msgspec.Meta(ge=0)] = 0
    eviction_minimum_reclaim: dict[str, str] = msgspec.field(default_factory=dict)
    #: So long a pressure is reported after it was seen last.
    eviction_pressure_transition_period: Seconds = 300.0
    #: Between two looks at what the thresholds are about.
    housekeeping_interval: Annotated[float, msgspec.Meta(ge=0.1)] = 10.0
    #: Dead containers: how old one must be before it goes, how many are kept of one container and of all (-1: no limit).
    minimum_container_ttl_duration: Seconds = 0.0
    maximum_dead_containers_per_container: Annotated[int, msgspec.Meta(ge=-1)] = 1
    maximum_dead_containers: Annotated[int, msgspec.Meta(ge=-1)] = -1
    #: Folder of static pods' manifests; empty: none.
    static_pod_path: str = ""
    file_check_frequency: Annotated[float, msgspec.Meta(ge=0.1)] = 2.0
    #: How long a shutdown of the host is delayed so that pods end with grace; the part of it that is kept for critical ones.
    shutdown_grace_period: Seconds = 0.0
    shutdown_grace_period_critical_pods: Seconds = 0.0
    #: Instead of both: seconds by the priority from which they hold, up to the next one.
    shutdown_grace_period_by_pod_priority: dict[int, Annotated[int, msgspec.Meta(ge=0)]] = msgspec.field(default_factory=dict)
    #: Where kubelet asks for upstream name servers for pods with dnsPolicy Default.
    resolver_config: str = "/etc/resolv.conf"
    #: One pull at a time, as Kubernetes' default is; otherwise so many (ADR 27).
    serialize_image_pulls: bool = False
    max_parallel_image_pulls: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    #: A pull that hears nothing for so long is given up.
    image_pull_progress_deadline: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    #: The node's own credentials for registries, for every pod: what `docker login` writes. Empty: none.
    docker_config: str = "/root/.docker/config.json"
    #: Images that wherry pulled go when the engine's file system is fuller than the high threshold, down to the low one.
    image_gc_high_threshold_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 85
    image_gc_low_threshold_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 80
    image_minimum_gc_age: Annotated[float, msgspec.Meta(ge=0)] = 120.0
    #: Unused for longer, an image goes whatever the disk has; 0: never for its age.
    image_maximum_gc_age: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    #: Processes that each container may have; -1: no limit, as kubelet's default. See ADR 31.
    pod_pids_limit: Annotated[int, msgspec.Meta(ge=-1)] = 4096
    #: Sysctls beside the safe ones that pods may set; "*" at the end stands for any rest.
    allowed_unsafe_sysctls: tuple[str, ...] = ()
    #: By name: agent.settings.devices.
    extended_resources: dict[str, ExtendedResourceSettings] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        check_names(self.extended_resources)
        for pattern in self.allowed_unsafe_sysctls:
            if not _SYSCTL.match(pattern):
                raise ValueError(f"allowed_unsafe_sysctls: {pattern!r} is no sysctl")
            if not pattern.replace("/", ".").startswith(_NAMESPACED):
                raise ValueError(f"allowed_unsafe_sysctls: the sysctls {pattern!r} are not known to be namespaced")
        if self.image_gc_low_threshold_percent >= self.image_gc_high_threshold_percent:
            raise ValueError(
                f"image_gc_low_threshold_percent {self.image_gc_low_threshold_percent} must be less than "
                f"image_gc_high_threshold_percent {self.image_gc_high_threshold_percent}"
            )
        if self.image_maximum_gc_age and self.image_maximum_gc_age <= self.image_minimum_gc_age:
            raise ValueError(
                f"image_maximum_gc_age {self.image_maximum_gc_age:g} must be greater than image_minimum_gc_age "
                f"{self.image_minimum_gc_age:g}"
            )
        if self.docker_config and not os.path.isabs(self.docker_config):
            raise ValueError(f"docker_config {self.docker_config!r} must be an absolute path")
        self.eviction_thresholds()
        if self.static_pod_path and not os.path.isabs(self.static_pod_path):
            raise ValueError(f"static_pod_path {self.static_pod_path!r} must be an absolute path")
        if self.shutdown_grace_period_critical_pods > self.shutdown_grace_period:
            raise ValueError("shutdown_grace_period_critical_pods must not be longer than shutdown_grace_period")
        if self.shutdown_grace_period_by_pod_priority and self.shutdown_grace_period:
            raise ValueError("shutdown_grace_period_by_pod_priority and shutdown_grace_period cannot both be set")

    def eviction_thresholds(self) -> tuple[eviction.Threshold, ...]:
        """All of them, parsed. Raises ValueError."""
        return eviction.thresholds(
            self.eviction_hard, self.eviction_soft, self.eviction_soft_grace_period, self.eviction_minimum_reclaim
        )
