"""The kubelet's slice of the agent's settings, in Kubernetes' words and with its defaults."""

import os
from typing import Annotated

import msgspec

from proto.daemon.settings import Settings
from proto.k8s import quantity


class ReservedSettings(Settings, frozen=True):
    """Kept back from the node's capacity for the system, as Kubernetes quantities ("100m", "256Mi")."""

    cpu: str = "0"
    memory: str = "0"

    def __post_init__(self) -> None:
        for value in (self.cpu, self.memory):
            quantity.parse(value)  # InvalidQuantity is a ValueError


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
    #: Kept back from the node's capacity.
    system_reserved: ReservedSettings = ReservedSettings()
    #: Below these the node reports MemoryPressure and DiskPressure.
    eviction_memory_available: int = 100 * 1024 * 1024
    eviction_disk_available_percent: float = 10.0
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
    #: Processes that each container may have; 0: no limit.
    pod_pids_limit: int = 0

    def __post_init__(self) -> None:
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
